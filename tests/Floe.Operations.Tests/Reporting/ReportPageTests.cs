using Floe.Agent.Trace;
using Floe.Operations.Reporting;
using Floe.Operations.Tests.Trace;
using Floe.Testing;
using Xunit;

namespace Floe.Operations.Tests.Reporting;

/// <summary>The page in a real browser.</summary>
public sealed class ReportPageTests(BrowserFixture fixture) : IClassFixture<BrowserFixture>, IDisposable
{
    private readonly ScratchFolder _folder = new();

    [Fact]
    public async Task Page_AFewTasks_ShowsTotalsTasksAndNoComplaint()
    {
        var browser = await OpenAsync(Fleet(8));

        Assert.Equal(8, await browser.EvaluateAsync<int>("document.querySelectorAll('#rows .row').length"));
        Assert.Equal("8 tasks", await TextAsync(browser, "#count"));
        Assert.Contains("6of 8 reclaims survived", await TextAsync(browser, "#cards"), StringComparison.Ordinal);
        Assert.True(await browser.EvaluateAsync<int>("document.querySelectorAll('#commits rect').length") > 0);
        Assert.True(await browser.EvaluateAsync<bool>("[...document.querySelectorAll('#rows .row svg')].every(s => s.querySelectorAll('rect').length >= 4)"));
        Assert.Empty(browser.Complaints);
        await KeepAsync(browser, "report");
        await browser.DarkAsync();
        await KeepAsync(browser, "report-dark");
    }

    [Fact]
    public async Task Page_Search_ShowsWhatMatchesAllWords()
    {
        var browser = await OpenAsync(Fleet(200));
        await browser.ClickAsync("#search");
        await browser.TypeAsync("TASK-001 r6id");
        Assert.Equal("10 of 200 tasks", await TextAsync(browser, "#count"));
        Assert.Equal("task-0010", await TextAsync(browser, "#rows .row div"));

        await browser.TypeAsync(" nothing like it");
        Assert.Equal("0 of 200 tasks", await TextAsync(browser, "#count"));
        Assert.False(await browser.EvaluateAsync<bool>("document.getElementById('none').hidden"));
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task Page_Filters_KeepOnlyTheirTasks()
    {
        var browser = await OpenAsync(Fleet(40));
        await browser.ClickAsync("#lost");
        Assert.Equal("10 of 40 tasks", await TextAsync(browser, "#count"));
        await browser.EvaluateAsync<bool>("(() => { const s = document.getElementById('state'); s.value = 'Succeeded'; return s.dispatchEvent(new Event('change')); })()");
        Assert.Equal("0 of 40 tasks", await TextAsync(browser, "#count"));
        await browser.ClickAsync("#lost");
        Assert.Equal("30 of 40 tasks", await TextAsync(browser, "#count"));
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task Page_ClickOnAColumn_SortsByItAndTurnsRound()
    {
        var browser = await OpenAsync(Fleet(40));
        const string Header = "#head > div:nth-child(1) button";
        await browser.ClickAsync(Header);
        Assert.Equal("task-0000", await TextAsync(browser, "#rows .row div"));
        await browser.ClickAsync(Header);
        Assert.Equal("task-0039", await TextAsync(browser, "#rows .row div"));
        Assert.Equal("descending", await browser.EvaluateAsync<string>("document.querySelector('#head > div').getAttribute('aria-sort')"));

        await browser.ClickAsync("#head > div:nth-child(6) button");
        Assert.Contains("1 h 00 min", await TextAsync(browser, "#rows .row"), StringComparison.Ordinal);
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task Page_ClickOnATask_ShowsItsTimelineAndEscCloses()
    {
        var browser = await OpenAsync(Fleet(40));
        await browser.ClickAsync("#rows .row");
        var detail = await TextAsync(browser, "#detail");
        Assert.Contains("snapshot 1 restored in 30 s", detail, StringComparison.Ordinal);
        Assert.Contains("takes the machine away in 2 min 00 s", detail, StringComparison.Ordinal);
        Assert.Contains("ended with status 0", detail, StringComparison.Ordinal);
        Assert.Equal(2, await browser.EvaluateAsync<int>("document.querySelectorAll('#detail svg').length"));
        Assert.Empty(browser.Complaints);
        await KeepAsync(browser, "report-task");
        await browser.PressAsync("Escape");
        Assert.True(await browser.EvaluateAsync<bool>("document.getElementById('detail').hidden"));
    }

    [Fact]
    public async Task Page_TenThousandTasks_ScrollsFiltersAndSorts()
    {
        var browser = await OpenAsync(Fleet(10_000));
        Assert.Equal("10,000 tasks", await TextAsync(browser, "#count"));
        Assert.InRange(await browser.EvaluateAsync<int>("document.querySelectorAll('#rows .row').length"), 5, 100);

        await browser.EvaluateAsync<bool>("new Promise(done => { scrollTo(0, document.documentElement.scrollHeight); requestAnimationFrame(() => requestAnimationFrame(() => done(true))); })");
        Assert.Equal("10001", await browser.EvaluateAsync<string>("[...document.querySelectorAll('#rows .row')].at(-1).getAttribute('aria-rowindex')"));
        Assert.Equal("task-9999", await browser.EvaluateAsync<string>("document.querySelector('#rows .row:last-child div').textContent"));

        await browser.EvaluateAsync<bool>("(() => { scrollTo(0, 0); const s = document.getElementById('search'); s.value = 'task-77'; return s.dispatchEvent(new Event('input')); })()");
        Assert.Equal("100 of 10,000 tasks", await TextAsync(browser, "#count"));
        Assert.Empty(browser.Complaints);
        await KeepAsync(browser, "report-10000");
    }

    [Fact]
    public async Task Page_NarrowScreen_KeepsWithinItAndLegible()
    {
        var browser = await OpenAsync(Fleet(60));
        await browser.ResizeAsync(390, 844);
        Assert.InRange(await browser.EvaluateAsync<int>("document.documentElement.scrollWidth"), 360, 390);
        await KeepAsync(browser, "report-narrow");
        await browser.EvaluateAsync<bool>("new Promise(done => { document.getElementById('tasks').scrollIntoView(); requestAnimationFrame(() => requestAnimationFrame(() => done(true))); })");
        Assert.Equal(4, await browser.EvaluateAsync<int>("[...document.querySelectorAll('#rows .row:first-child > div')].filter(d => d.offsetParent).length"));
        await browser.DarkAsync();
        await KeepAsync(browser, "report-narrow-dark");

        await browser.EvaluateAsync<bool>("(document.querySelector('#rows .row').click(), true)");
        Assert.True(await browser.EvaluateAsync<bool>("[...document.querySelectorAll('#detail svg text')].every(t => t.getBoundingClientRect().height >= 11)"));
        Assert.True(await browser.EvaluateAsync<bool>("(d => d.scrollWidth <= d.clientWidth)(document.getElementById('detail'))"));
        Assert.Empty(browser.Complaints);
        await KeepAsync(browser, "report-narrow-task");
    }

    [Fact]
    public async Task Page_Durations_AreRoundedAsAWhole()
    {
        (long Millis, string Text)[] restores = [(400, "0.4 s"), (59_700, "1 min 00 s"), (119_700, "2 min 00 s"), (3_599_600, "1 h 00 min")];
        var browser = await OpenAsync([.. restores.Select((r, i) =>
        {
            var trace = Traces.Survivor($"k{i}", Traces.Start.AddSeconds(i));
            return trace with { Attempts = [trace.Attempts[0], trace.Attempts[1] with { Restores = [trace.Attempts[1].Restores[0] with { Millis = r.Millis }] }] };
        })]);
        for (var i = 0; i < restores.Length; i++)
        {
            await browser.EvaluateAsync<bool>($"(document.querySelectorAll('#rows .row')[{i}].click(), true)");
            Assert.Contains($"restored in {restores[i].Text},", await TextAsync(browser, "#detail"), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Page_HostileTexts_AreTextAndRunNothing()
    {
        const string Hostile = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>\u2028\"'&lt;";
        var trace = Traces.Survivor("k") with { Command = [Hostile], Key = Hostile, WorkingDirectory = Hostile };
        trace = trace with { Attempts = [.. trace.Attempts.Select(a => a with { Host = Hostile, Machine = Traces.Machine(Hostile, Hostile) })] };
        var browser = await OpenAsync([trace], Hostile);
        await browser.ClickAsync("#rows .row");

        Assert.False(await browser.EvaluateAsync<bool>("'hacked' in window"));
        Assert.Equal(0, await browser.EvaluateAsync<int>("document.images.length"));
        Assert.Equal(Hostile, await TextAsync(browser, "#title"));
        Assert.Equal(Hostile, await TextAsync(browser, "#detail h2"));
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task Page_NoTask_SaysSo()
    {
        var browser = await OpenAsync([]);
        Assert.Equal("0 tasks", await TextAsync(browser, "#count"));
        Assert.Contains("No snapshot", await TextAsync(browser, "#commits"), StringComparison.Ordinal);
        Assert.Empty(browser.Complaints);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Every fourth task loses its work and fails; the others survive their reclaim.</summary>
    private static List<TraceDocument> Fleet(int count) => [.. Enumerable.Range(0, count).Select(i =>
    {
        var trace = Traces.Survivor($"task-{i:D4}", Traces.Start.AddSeconds(i * 20));
        return i % 4 != 3 ? trace : trace with
        {
            Attempts =
            [
                trace.Attempts[0] with { Outcome = TraceOutcome.SnapshotFailed, ExitCode = 175, Snapshots = [new TraceSnapshot { StartedAt = trace.Attempts[0].Notices[0].ReceivedAt, TotalMillis = 900, Error = "io_uring cannot be dumped" }] },
                trace.Attempts[1] with { Restores = [], ExitCode = 1 },
            ],
        };
    })];

    private async Task<HeadlessBrowser> OpenAsync(IReadOnlyList<TraceDocument> traces, string title = "Report")
    {
        var report = ReportBuilder.Build(title, ["s3://bucket/floe"], traces, [], PriceList.Of(["0.42"], new Dictionary<(string, string), IReadOnlyList<PricePoint>>(), 1), Traces.Start.AddDays(1));
        var path = _folder["report.html"];
        await using (var file = File.Create(path))
        {
            await ReportPage.WriteAsync(report, file, default);
        }

        await fixture.Browser.OpenAsync(path);
        return fixture.Browser;
    }

    private static Task<string> TextAsync(HeadlessBrowser browser, string selector) =>
        browser.EvaluateAsync<string>($"document.querySelector({System.Text.Json.JsonSerializer.Serialize(selector)}).textContent");

    /// <summary>For people to look at, when they name a folder.</summary>
    private static async Task KeepAsync(HeadlessBrowser browser, string name)
    {
        if (Environment.GetEnvironmentVariable("FLOE_SCREENSHOTS") is { Length: > 0 } folder)
        {
            Directory.CreateDirectory(folder);
            await File.WriteAllBytesAsync(Path.Combine(folder, name + ".png"), await browser.ScreenshotAsync());
        }
    }
}
