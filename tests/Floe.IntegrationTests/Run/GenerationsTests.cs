using System.Globalization;
using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class GenerationsTests
{
    [Fact]
    public async Task Run_TenGenerations_ResultEqualsTheUndisturbedOne()
    {
        // A pipeline whose state is in processes, pipes, variables and a file; each machine lets it do one more step.
        const string task = Fleet.Gate + """
            exec 5> >(sum=0; while read -r n; do sum=$(((sum * 31 + n) % 1000003)); echo $n >>/var/tmp/seen; echo "sum $sum"; done; echo "closed $sum"; touch /var/tmp/closed)
            for step in {0..10}; do gate /run/go-$step; for n in {1..20}; do echo $((step * 100 + n)) >&5; done; until [ "$(wc -l </var/tmp/seen)" = $((step * 20 + 20)) ]; do sleep 0.01; done; echo "step $step"; done
            exec 5>&-
            gate /var/tmp/closed
            """;
        await using var fleet = new Fleet();
        var output = "";
        for (var generation = 0; generation <= 10; generation++)
        {
            var machine = await fleet.MachineAsync($"machine-{generation}");
            var run = await fleet.RunScriptAsync(machine, task);
            Fleet.Open(machine, string.Create(CultureInfo.InvariantCulture, $"/run/go-{generation}"));
            if (generation < 10)
            {
                await Fleet.UntilPrintedAsync(run, $"step {generation}\n");
                output += (await fleet.TakeAwayAsync(machine, run)).Text;
                await machine.DestroyAsync();
                continue;
            }

            var last = await Fleet.EndAsync(run);
            Fleet.AssertStatus(0, last);
            output += last.Text;
            Assert.Equal(
                string.Concat(Enumerable.Range(0, 11).SelectMany(step => Enumerable.Range(1, 20).Select(n => $"{(step * 100) + n}\n"))),
                await File.ReadAllTextAsync(machine.RootPath + "/var/tmp/seen", Fleet.Token));
        }

        var expected = "";
        long sum = 0;
        for (var step = 0; step <= 10; step++)
        {
            for (var n = 1; n <= 20; n++)
            {
                sum = ((sum * 31) + (step * 100) + n) % 1000003;
                expected += $"sum {sum}\n";
            }

            expected += $"step {step}\n";
        }

        // The step's line may come before the last sums' lines: two processes print them.
        static string[] Sums(string text) => [.. text.Split('\n').Where(line => !line.StartsWith("step", StringComparison.Ordinal))];
        Assert.Equal(Sums($"{expected}closed {sum}\n"), Sums(output));
        Assert.Equal(11, output.Split('\n').Count(line => line.StartsWith("step", StringComparison.Ordinal)));
    }
}
