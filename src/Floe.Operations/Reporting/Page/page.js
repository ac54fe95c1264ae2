'use strict';
(() => {
  const report = JSON.parse(document.getElementById('data').textContent);
  const $ = id => document.getElementById(id);
  const NS = 'http://www.w3.org/2000/svg';

  // Everything from a trace goes through these two: text is text, never markup.
  const el = (name, props = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(props)) key === 'class' ? node.className = value : key in node ? node[key] = value : node.setAttribute(key, value);
    node.append(...children.filter(c => c !== null));
    return node;
  };
  const svg = (name, attributes, ...children) => {
    const node = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };

  const color = name => `var(--${name})`;
  const bytes = n => {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
    let i = 0;
    while (n >= 1024 && i < units.length - 1) { n /= 1024; i++; }
    return (i === 0 ? n : n.toFixed(n < 10 ? 1 : 0)) + ' ' + units[i];
  };
  const span = s => {
    if (s == null) return '–';
    if (s < 0) return '−' + span(-s);
    if (s < 59.5) return (s < 9.95 ? s.toFixed(1) : Math.round(s)) + ' s';
    s = Math.round(s);
    if (s < 3600) return Math.floor(s / 60) + ' min ' + String(s % 60).padStart(2, '0') + ' s';
    if (s < 360000) return Math.floor(s / 3600) + ' h ' + String(Math.floor(s % 3600 / 60)).padStart(2, '0') + ' min';
    return Math.round(s / 3600).toLocaleString('en') + ' h';
  };
  const money = m => m == null ? '–' : m.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const number = n => n.toLocaleString('en');
  const moment = (task, seconds) => new Date(Date.parse(task.startedAt) + seconds * 1000).toISOString().replace('T', ' ').slice(0, 19) + ' Z';

  // ---- totals
  const t = report.totals;
  $('title').textContent = report.title;
  $('origin').textContent = `${report.sources.join(', ')} · ${report.generatedAt.replace('T', ' ').slice(0, 16)} UTC` + (report.prices ? ` · prices: ${report.prices}` : ' · no prices given');
  const card = (value, label, kind = '') => el('div', { class: 'card ' + kind }, el('b', {}, value), el('span', {}, label));
  $('cards').append(
    card(number(t.tasks), `tasks in ${number(t.attempts)} attempts`),
    card(number(t.survived), `of ${number(t.reclaims)} reclaims survived` + (t.pending ? `, ${number(t.pending)} waiting for a machine` : ''), t.survived ? 'good' : ''),
    card(number(t.lost), 'reclaims cost the work', t.lost ? 'bad' : ''),
    card(span(t.savedSeconds), `of work carried over; ${span(t.computeSeconds)} computed`, t.savedSeconds ? 'good' : ''),
    card(money(t.saved), t.cost == null ? 'saved (no prices)' : `saved, beside ${money(t.cost)} spent` + (t.unpriced ? `; ${number(t.unpriced)} tasks without a price` : ''), t.saved ? 'good' : ''),
    card(span(t.medianCommitSeconds), 'median from notice to commit' + (t.maxCommitSeconds == null ? '' : `, longest ${span(t.maxCommitSeconds)}`)),
    card(span(t.leastSecondsLeft), 'least time left before a deadline', t.leastSecondsLeft != null && t.leastSecondsLeft < 10 ? 'bad' : ''),
    card(number(t.snapshots), 'snapshots committed' + (t.failedSnapshots ? `, ${number(t.failedSnapshots)} failed` : '')));

  // ---- histogram of commits
  const commits = [];
  let budget = 0;
  for (const task of report.tasks) for (const attempt of task.attempts) for (const s of attempt.snapshots) if (s.afterNotice != null) {
    commits.push(s.afterNotice);
    if (s.secondsLeft != null) budget = Math.max(budget, s.afterNotice + s.secondsLeft);
  }
  const drawCommits = () => {
    const box = $('commits'), width = box.clientWidth || 600, height = 150, base = height - 22, bins = 40;
    box.setAttribute('viewBox', `0 0 ${width} ${height}`);
    box.replaceChildren();
    if (!commits.length) { box.append(svg('text', { x: 4, y: 24, class: 'dim' }, 'No snapshot was taken under a notice.')); return; }
    const top = Math.max(budget, ...[commits.reduce((a, b) => Math.max(a, b), 0)]) * 1.04, counts = new Array(bins).fill(0);
    for (const c of commits) counts[Math.min(bins - 1, Math.floor(c / top * bins))]++;
    const most = Math.max(...counts), step = width / bins;
    counts.forEach((n, i) => {
      if (!n) return;
      const h = Math.max(2, n / most * (base - 16));
      const late = budget && (i + 0.5) / bins * top > budget;
      box.append(svg('rect', { x: i * step + 1, y: base - h, width: Math.max(1, step - 2), height: h, rx: 2, fill: color(late ? 'notice' : 'upload') }, svg('title', {}, `${n} between ${(i * top / bins).toFixed(0)} and ${((i + 1) * top / bins).toFixed(0)} s`)));
    });
    box.append(svg('line', { x1: 0, y1: base + .5, x2: width, y2: base + .5, stroke: color('line') }));
    const tick = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800].find(v => top / v <= 8) ?? 3600;
    for (let s = 0; s <= top; s += tick) box.append(svg('text', { x: Math.min(s / top * width, width), y: height - 6, 'text-anchor': s === 0 ? 'start' : s / top * width > width - 24 ? 'end' : 'middle', class: 'dim' }, `${s} s`));
    if (budget) box.append(
      svg('line', { x1: budget / top * width, y1: 4, x2: budget / top * width, y2: base, stroke: color('notice'), 'stroke-dasharray': '4 3' }),
      svg('text', { x: budget / top * width - 5, y: 14, 'text-anchor': 'end', class: 'dim' }, 'deadline'));
  };

  const measures = [['content', t.rawBytes], ['only zeros', t.zeroBytes], ['known already', t.dedupBytes], ['new', t.newBytes], ['stored', t.storedBytes]];
  for (const [label, n] of measures) $('bytes').append(el('div', { class: 'measure' }, el('span', {}, label), el('i', { style: `width:${t.rawBytes ? n / t.rawBytes * 100 : 0}%` }), el('b', {}, bytes(n))));
  if (t.storedBytes) $('bytes').append(el('div', { class: 'dim' }, `${(t.rawBytes / t.storedBytes).toFixed(1)} bytes of content for each byte stored`));

  for (const [name, label] of [['run', 'runs'], ['gap', 'lost'], ['freeze', 'snapshot'], ['notice', 'notice'], ['restore', 'restore']]) $('legend').append(el('span', {}, el('i', { style: `background:${color(name)}` }), label));

  // ---- the table: only the rows in sight exist
  const columns = [
    ['Task', task => task.key, (a, b) => a.key.localeCompare(b.key)],
    ['State', task => el('span', { class: 'tag ' + task.state }, task.state + (task.exitCode ? ` ${task.exitCode}` : '')), (a, b) => a.state.localeCompare(b.state)],
    ['Timeline', task => lane(task), (a, b) => a.wallSeconds - b.wallSeconds],
    ['Attempts', task => number(task.attempts.length), (a, b) => a.attempts.length - b.attempts.length, 'n'],
    ['Survived', task => task.reclaims ? el('span', { class: task.lost ? 'warn' : '' }, `${task.survived} of ${task.reclaims}`) : '–', (a, b) => a.reclaims - b.reclaims || a.survived - b.survived, 'n'],
    ['Carried over', task => task.savedSeconds ? span(task.savedSeconds) : '–', (a, b) => a.savedSeconds - b.savedSeconds, 'n'],
    ['Saved', task => money(task.saved), (a, b) => (a.saved ?? -1) - (b.saved ?? -1), 'n'],
    ['Commit / left', task => task.commitSeconds == null ? '–' : el('span', { class: task.secondsLeft != null && task.secondsLeft < 10 ? 'warn' : '' }, `${Math.round(task.commitSeconds)} s / ${task.secondsLeft == null ? '–' : Math.round(task.secondsLeft) + ' s'}`), (a, b) => (a.commitSeconds ?? -1) - (b.commitSeconds ?? -1), 'n'],
    ['Stored', task => task.storedBytes ? bytes(task.storedBytes) : '–', (a, b) => a.storedBytes - b.storedBytes, 'n'],
    ['Started', task => moment(task, 0), (a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt), 'n'],
  ];
  const ROW = 34;
  let sort = { column: 9, up: true }, shown = report.tasks, selected = null;
  const haystack = new Map(report.tasks.map(task => [task, [task.key, task.command, task.workingDirectory, ...task.attempts.flatMap(a => [a.host, a.instanceType ?? '', a.zone ?? ''])].join(' ').toLowerCase()]));

  columns.forEach(([label, , , kind], i) => {
    const button = el('button', { type: 'button', onclick: () => { sort = { column: i, up: sort.column === i ? !sort.up : i < 3 || i === 9 }; apply(); } });
    $('head').append(el('div', { role: 'columnheader', class: kind ?? '' }, button));
  });

  const apply = () => {
    const words = $('search').value.toLowerCase().split(/\s+/).filter(Boolean), state = $('state').value, reclaimed = $('reclaimed').checked, lost = $('lost').checked;
    shown = report.tasks.filter(task => (!state || task.state === state) && (!reclaimed || task.reclaims) && (!lost || task.lost) && words.every(w => haystack.get(task).includes(w)));
    const compare = columns[sort.column][2];
    shown.sort((a, b) => (sort.up ? 1 : -1) * compare(a, b) || a.key.localeCompare(b.key));
    $('count').textContent = shown.length === report.tasks.length ? `${number(shown.length)} tasks` : `${number(shown.length)} of ${number(report.tasks.length)} tasks`;
    [...$('head').children].forEach((cell, i) => {
      cell.setAttribute('aria-sort', i !== sort.column ? 'none' : sort.up ? 'ascending' : 'descending');
      cell.firstChild.textContent = columns[i][0] + (i !== sort.column ? '' : sort.up ? ' ↑' : ' ↓');
    });
    $('grid').setAttribute('aria-rowcount', shown.length + 1);
    $('none').hidden = shown.length > 0;
    $('rows').style.height = shown.length * ROW + 'px';
    draw(true);
  };

  let drawn = [-1, -1];
  const draw = force => {
    const top = -$('rows').getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / ROW) - 8), last = Math.min(shown.length, Math.ceil((top + innerHeight) / ROW) + 8);
    if (!force && first === drawn[0] && last === drawn[1]) return;
    drawn = [first, last];
    const fragment = document.createDocumentFragment();
    for (let i = first; i < last; i++) {
      const task = shown[i];
      const row = el('div', { class: 'row' + (task === selected ? ' on' : ''), role: 'row', tabIndex: 0, title: task.command, onclick: () => open(task), onkeydown: e => { if (e.key === 'Enter') open(task); } });
      row.style.top = i * ROW + 'px';
      row.setAttribute('aria-rowindex', i + 2);
      for (const [, cell, , kind] of columns) row.append(el('div', { role: 'cell', class: kind ?? '' }, cell(task)));
      fragment.append(row);
    }
    $('rows').replaceChildren(fragment);
  };

  // ---- timelines
  const events = (attempt, x, y, h, target) => {
    target.push(svg('rect', { x: x(attempt.from), y: y + h / 2 - 1, width: Math.max(1, x(attempt.to) - x(attempt.from)), height: 2, fill: color('gap') }));
    if (attempt.running != null) target.push(svg('rect', { x: x(attempt.running), y, width: Math.max(1, x(attempt.to) - x(attempt.running)), height: h, rx: 2, fill: color(attempt.reclaim === 'lost' ? 'gap' : 'run') }));
    for (const r of attempt.restores) target.push(svg('rect', { x: x(r.at), y, width: Math.max(2, x(r.at + r.seconds) - x(r.at)), height: h, fill: color(r.error ? 'notice' : 'restore'), opacity: r.error ? .5 : 1 }));
    for (const s of attempt.snapshots) target.push(svg('rect', { x: x(s.at), y, width: Math.max(2, x(s.at + s.seconds) - x(s.at)), height: h, fill: color('freeze'), opacity: s.error ? .45 : 1 }));
    for (const n of attempt.notices) target.push(svg('rect', { x: x(n.at) - 1, y: y - 2, width: 2, height: h + 4, fill: color('notice') }));
  };
  const lane = task => {
    const width = 260, whole = Math.max(task.wallSeconds, 1), parts = [];
    for (const attempt of task.attempts) events(attempt, s => s / whole * (width - 4) + 2, 3, 10, parts);
    return svg('svg', { viewBox: `0 0 ${width} 16`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, ...parts);
  };

  const axis = (from, to, x, y, parts, width) => {
    const whole = to - from, tick = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400].find(v => whole / v <= (width > 600 ? 7 : 4)) ?? 604800;
    for (let s = Math.ceil(from / tick) * tick; s <= to; s += tick) {
      parts.push(svg('line', { x1: x(s), y1: 0, x2: x(s), y2: y, stroke: color('line') }));
      if (x(s) + 44 < width) parts.push(svg('text', { x: x(s) + 3, y: y + 12, class: 'dim' }, tick >= 3600 ? `${s / 3600} h` : tick >= 60 ? `${s / 60} min` : `${s} s`));
    }
  };
  // Drawings are as wide as their place, so that their texts keep their size.
  const room = () => Math.max(300, Math.min(800, innerWidth * .94 - 48));
  const lanes = task => {
    const width = room(), isWide = width > 600, label = isWide ? 236 : 110, h = 26, height = task.attempts.length * h + 24, whole = Math.max(task.wallSeconds, 1), parts = [];
    const x = s => label + s / whole * (width - label - 12);
    axis(0, whole, x, height - 20, parts, width);
    task.attempts.forEach((attempt, i) => {
      const y = i * h + 8;
      parts.push(svg('text', { x: 8, y: y + 10 }, `${i + 1}  ${attempt.instanceType ?? attempt.host}`.slice(0, isWide ? 24 : 15)));
      if (isWide) parts.push(svg('text', { x: label - 8, y: y + 10, 'text-anchor': 'end', class: 'dim' }, (attempt.zone ?? '').slice(-20)));
      events(attempt, x, y, 12, parts);
    });
    return svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': 'Attempts over time' }, ...parts);
  };
  const phases = (attempt, s) => {
    const notice = s.afterNotice == null ? null : s.afterNotice - s.seconds, deadline = s.secondsLeft == null ? null : s.seconds + s.secondsLeft;
    const from = notice == null ? 0 : Math.min(0, -notice), to = Math.max(s.seconds, deadline ?? 0, .001) * 1.02;
    const width = room(), label = 76, h = 18, rows = s.phases.length, height = rows * h + 28, parts = [];
    const x = v => label + (v - from) / (to - from) * (width - label - 96);
    axis(from, to, x, height - 20, parts, width);
    const paint = { freeze: 'notice', capture: 'freeze', upload: 'upload', commit: 'commit' };
    s.phases.forEach((p, i) => parts.push(
      svg('text', { x: 8, y: i * h + 16 }, p.name),
      svg('rect', { x: x(p.at), y: i * h + 6, width: Math.max(2, x(p.at + p.seconds) - x(p.at)), height: 12, rx: 2, fill: color(paint[p.name] ?? 'run') }),
      svg('text', { x: Math.min(x(p.at + p.seconds) + 5, width - 92), y: i * h + 16, class: 'dim' }, p.seconds.toFixed(p.seconds < 10 ? 2 : 1) + ' s' + (p.bytes ? `, ${bytes(p.bytes)}` : ''))));
    if (deadline != null) parts.push(svg('line', { x1: x(deadline), y1: 0, x2: x(deadline), y2: height - 20, stroke: color('notice'), 'stroke-dasharray': '4 3' }), svg('text', { x: x(deadline) + 4, y: height - 24, class: 'dim' }, 'deadline'));
    return svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `Phases of snapshot ${s.seq}` }, ...parts);
  };

  const open = task => {
    selected = task;
    const body = $('body');
    body.replaceChildren(
      el('h2', {}, task.key),
      el('p', {}, el('span', { class: 'tag ' + task.state }, task.state + (task.exitCode != null ? ` ${task.exitCode}` : '')), ` ${span(task.computeSeconds)} computed in ${span(task.wallSeconds)}; ${task.savedSeconds ? span(task.savedSeconds) + ' carried over' : 'nothing had to be carried over'}` + (task.saved != null ? ` (${money(task.saved)} saved of ${money(task.cost)})` : '')),
      el('p', {}, el('code', {}, task.command)),
      task.workingDirectory ? el('p', { class: 'dim' }, el('code', {}, task.workingDirectory)) : null,
      el('h3', {}, 'Attempts'), lanes(task));
    task.attempts.forEach((attempt, i) => attempt.snapshots.forEach(s => {
      body.append(el('h3', {}, s.error ? `Attempt ${i + 1}: a snapshot failed` : `Attempt ${i + 1}: snapshot ${s.seq}`, ' ',
        el('span', { class: 'dim' }, s.error ? s.error : `${s.trigger}; frozen ${span(s.frozen)}; ${bytes(s.rawBytes)} of content, ${bytes(s.zeroBytes)} zeros, ${bytes(s.dedupBytes)} known, ${bytes(s.storedBytes)} stored` + (s.secondsLeft == null ? '' : `; ${span(s.secondsLeft)} left`))));
      if (s.phases.length) body.append(phases(attempt, s));
    }));
    const list = [];
    task.attempts.forEach((a, i) => {
      list.push([a.from, i, `taken up on ${a.host}` + (a.instanceType ? ` (${a.instanceType}${a.zone ? ', ' + a.zone : ''})` : '')]);
      for (const r of a.restores) list.push([r.at, i, r.error ? `snapshot ${r.seq} not restored: ${r.error}` : `snapshot ${r.seq} restored in ${span(r.seconds)}, ${bytes(r.bytes)}`]);
      if (a.running != null && !a.restores.some(r => !r.error)) list.push([a.running, i, 'command begun']);
      for (const n of a.notices) list.push([n.at, i, `${n.source} takes the machine away in ${span(n.deadline - n.at)}`]);
      for (const s of a.snapshots) list.push([s.at + s.seconds, i, s.error ? `snapshot failed: ${s.error}` : `snapshot ${s.seq} committed, ${bytes(s.storedBytes)} stored`]);
      list.push([a.to, i, a.outcome === 'Running' ? 'last sign of life' : a.outcome === 'Exited' ? `ended with status ${a.exitCode}` : a.outcome === 'Snapshotted' ? 'left this machine' : a.outcome + (a.exitCode != null ? ` (${a.exitCode})` : '')]);
    });
    list.sort((a, b) => a[0] - b[0]);
    body.append(el('h3', {}, 'What happened'), el('table', {}, el('thead', {}, el('tr', {}, ...['Time', 'After', 'Attempt', ''].map(h => el('th', {}, h)))),
      el('tbody', {}, ...list.map(([at, i, text]) => el('tr', {}, el('td', {}, moment(task, at)), el('td', {}, span(at)), el('td', {}, String(i + 1)), el('td', {}, text))))));
    $('detail').hidden = false;
    $('detail').scrollTop = 0;
    $('close').focus({ preventScroll: true });
    draw(true);
  };
  const close = () => { $('detail').hidden = true; selected = null; draw(true); };

  if (report.skipped.length) {
    $('skipped').hidden = false;
    $('skipped').querySelector('summary').textContent = `${number(report.skipped.length)} files could not be read as traces`;
    $('skipped').querySelector('ul').append(...report.skipped.slice(0, 500).map(s => el('li', {}, `${s.where} ${s.problem}`)));
  }

  $('search').addEventListener('input', apply);
  for (const id of ['state', 'reclaimed', 'lost']) $(id).addEventListener('change', apply);
  $('close').addEventListener('click', close);
  addEventListener('keydown', e => { if (e.key === 'Escape' && !$('detail').hidden) close(); });
  let waiting = false;
  const later = () => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; draw(false); }); } };
  addEventListener('scroll', later, { passive: true });
  addEventListener('resize', () => { drawCommits(); later(); });
  drawCommits();
  apply();
})();
