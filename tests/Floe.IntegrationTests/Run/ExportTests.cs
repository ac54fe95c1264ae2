using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class ExportTests
{
    /// <summary>Whoever has lost Floe still has the task: plain CRIU, tar, and the files that `floe export` wrote.</summary>
    [Fact]
    public async Task Export_PlainCriu_RestoresTheTask()
    {
        const string script = Fleet.Gate + "echo kept >/var/tmp/file; exec 3</var/tmp/file; rm /usr/share/common-licenses/BSD; echo before; gate /run/go; cat <&3; echo after";
        await using var fleet = new Fleet();
        fleet.Environment.Remove(Fleet.Exclude);
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, script);
        await Fleet.UntilPrintedAsync(run, "before\n");
        await fleet.TakeAwayAsync(a, run);
        var exported = await fleet.FloeAsync(a, "export", Fleet.Key, "/store/plain", "--store", "file:///store", "--json");
        Fleet.AssertStatus(0, exported);
        Assert.InRange(Fleet.Json(exported).GetProperty("images").GetInt32(), 10, 200);
        Assert.Contains("/usr/share/common-licenses/BSD", await File.ReadAllTextAsync($"{fleet.StoreFolder}/plain/deleted.txt", Fleet.Token), StringComparison.Ordinal);
        var again = await fleet.FloeAsync(a, "export", Fleet.Key, "/store/plain", "--store", "file:///store");
        Fleet.AssertStatus(2, again);
        var shown = await fleet.FloeAsync(a, "show", Fleet.Key, "--store", "file:///store", "--json");
        Fleet.AssertStatus(0, shown);
        var stdio = Fleet.Json(shown).GetProperty("snapshots")[0].GetProperty("manifest").GetProperty("task").GetProperty("stdio");
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var restored = await fleet.ShellAsync(b, """
            set -e
            tar -C / -xf /store/plain/files.tar
            criu=/opt/floe/lib/floe/criu
            "$(echo $criu/lib/ld-linux-*)" --library-path $criu/lib $criu/bin/criu restore -D /store/plain/images -o /run/restore.log -v2 --tcp-close --file-locks --link-remap \
              --inherit-fd "fd[1]:$1" --inherit-fd "fd[2]:$2" || { cat /run/restore.log >&2; exit 1; }
            """, stdio.GetProperty("stdout").GetString()!, stdio.GetProperty("stderr").GetString()!);
        Assert.True(restored.Text == "kept\nafter\n", $"{restored.Status}: {restored.Text}{restored.Errors}");
    }
}
