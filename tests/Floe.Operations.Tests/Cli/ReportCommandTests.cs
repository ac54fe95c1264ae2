using Floe.Agent.Trace;
using Floe.Operations.Tests.Aws;
using Floe.Operations.Tests.Trace;
using Floe.S3;
using Floe.Testing;
using Xunit;

namespace Floe.Operations.Tests.Cli;

[Collection(nameof(Moto))]
public sealed class ReportCommandTests(MotoFixture moto) : IDisposable
{
    private readonly ScratchFolder _folder = new();

    [Fact]
    public async Task Report_WorkDirectory_WritesThePage()
    {
        Write("work/ab/trace.json");
        var said = await FloeProgram.RunAsync(["report", _folder["work"], "-o", _folder["r.html"], "--price", "0.5"]);
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Contains("1 task, 1 of 1 reclaims survived, 1 h", said.Out, StringComparison.Ordinal);
        var page = await File.ReadAllTextAsync(_folder["r.html"]);
        Assert.DoesNotContain("http://", page.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("https://", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Report_Json_HasTheTotals()
    {
        Write("work/ab/trace.json");
        var said = await FloeProgram.RunAsync(["report", _folder["work"], "--json", "--price", "0.5"]);
        Assert.Equal(0.5, said.Json.GetProperty("totals").GetProperty("saved").GetDouble());
    }

    [Theory]
    [InlineData("--price", "cheap", "no price")]
    [InlineData("--share", "2", "--share")]
    [InlineData("-o", "/does/not/exist/r.html", "cannot write")]
    public async Task Report_BadOption_IsOneClearLine(string option, string value, string expected)
    {
        Write("work/ab/trace.json");
        var said = await FloeProgram.RunAsync(["report", _folder["work"], option, value]);
        Assert.Equal(2, said.Status);
        Assert.Contains(expected, said.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Report_NoSuchSource_IsOneClearLine()
    {
        var said = await FloeProgram.RunAsync(["report", _folder["none"]]);
        Assert.Equal(2, said.Status);
        Assert.Contains("neither a file nor a folder", said.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Report_WorkDirectoryInABucket_FindsTheTracesOfItsTasks()
    {
        await using (var bucket = moto.Open("reported/work"))
        {
            foreach (var (place, key) in ((string, string)[])[("ab/cdef/.floe", "one"), ("cd/0123/.floe", "two"), (".floe/store/tasks/one", "one")])
            {
                await bucket.PutAsync(new ObjectKey($"{place}/trace.json"), TraceCodec.Write(Traces.Survivor(key)), PutCondition.None, default);
            }

            await bucket.PutAsync(new ObjectKey("ab/cdef/.command.run"), "#!/bin/bash"u8.ToArray(), PutCondition.None, default);
        }

        var said = await FloeProgram.RunAsync(["report", $"s3://{MotoFixture.OwnBucket}/reported/work", "-o", _folder["r.html"]], moto.Variables);
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Contains("2 tasks, 2 of 2 reclaims survived", said.Out, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private void Write(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[path])!);
        File.WriteAllBytes(_folder[path], TraceCodec.Write(Traces.Survivor("one")));
    }
}
