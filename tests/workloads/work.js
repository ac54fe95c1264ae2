// Worker threads over one SharedArrayBuffer, timers, streams, a child process, crypto, compression.
'use strict';
const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
const { spawn } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const zlib = require('zlib');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function work() {
  const { shared, number } = workerData;
  const words = new Int32Array(shared);
  let state = number + 1;
  for (let step = 0; step < 100; step++) {
    for (let i = 0; i < 2000; i++) state = (Math.imul(state, 1103515245) + 12345) | 0;
    Atomics.add(words, step, state);
    Atomics.add(words, 1000, 1);
    await sleep(55);
  }
  parentPort.postMessage({ number, state });
}

async function main(out) {
  fs.mkdirSync(out, { recursive: true });
  const shared = new SharedArrayBuffer(1 << 16);
  const workers = [0, 1, 2].map((number) => new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: { shared, number } });
    worker.on('message', resolve);
    worker.on('error', reject);
  }));
  const child = spawn('/bin/sh', ['-c', 'while read line; do echo "got $line"; done'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let echoed = '';
  child.stdout.on('data', (data) => { echoed += data; });
  const ended = new Promise((resolve) => child.stdout.on('end', resolve));
  const log = fs.createWriteStream(`${out}/log`);
  let hash = Buffer.alloc(32);
  for (let step = 0; step < 90; step++) {
    hash = crypto.createHash('sha256').update(hash).update(String(step)).digest();
    log.write(`${step} ${zlib.deflateSync(hash).length} ${hash.toString('hex')}\n`);
    child.stdin.write(`${step}\n`);
    await sleep(60);
  }
  child.stdin.end();
  const results = await Promise.all(workers);
  await ended;
  await new Promise((resolve) => log.end(resolve));
  fs.writeFileSync(`${out}/echoed`, echoed);
  fs.writeFileSync(`${out}/shared`, Buffer.from(shared));
  console.log(JSON.stringify(results.sort((a, b) => a.number - b.number)), hash.toString('hex'));
}

if (isMainThread) main(process.argv[2]).catch((error) => { console.error(error); process.exit(1); });
else work();
