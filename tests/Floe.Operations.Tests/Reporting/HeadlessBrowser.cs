using System.IO.Pipes;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Floe.Linux.Processes;
using Floe.Testing;

namespace Floe.Operations.Tests.Reporting;

/// <summary>
/// Debian's chromium without a window, driven over its DevTools protocol by two pipes: it ends when they close, so it cannot outlive this
/// program. One page; what it writes to its console, every exception that nobody caught and every look at the network is kept in
/// <see cref="Complaints"/>. Pages are files.
/// </summary>
public sealed class HeadlessBrowser : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly ScratchFolder _folder;
    private readonly ChildProcess _process;
    private readonly AnonymousPipeServerStream _toBrowser;
    private readonly AnonymousPipeServerStream _fromBrowser;
    private readonly Dictionary<int, TaskCompletionSource<JsonNode?>> _calls = [];
    private readonly List<string> _complaints = [];
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _sending = new(1);
    private TaskCompletionSource _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _receiving;
    private string? _session;
    private int _lastCall;

    private HeadlessBrowser(ScratchFolder folder, ChildProcess process, AnonymousPipeServerStream toBrowser, AnonymousPipeServerStream fromBrowser)
    {
        (_folder, _process, _toBrowser, _fromBrowser) = (folder, process, toBrowser, fromBrowser);
        _receiving = Task.Run(Receive);
    }

    public IReadOnlyList<string> Complaints
    {
        get
        {
            lock (_gate)
            {
                return [.. _complaints];
            }
        }
    }

    public static async Task<HeadlessBrowser> StartAsync()
    {
        var folder = new ScratchFolder();
        try
        {
            return await StartAsync(folder);
        }
        catch
        {
            // Gone already when the browser came up and did not answer.
            if (Directory.Exists(folder.Path))
            {
                folder.Dispose();
            }

            throw;
        }
    }

    private static async Task<HeadlessBrowser> StartAsync(ScratchFolder folder)
    {
        string[] arguments =
        [
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions", "--disable-background-networking",
            "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe", $"--user-data-dir={folder.Folder("profile")}", "about:blank",
        ];

        // It leaves sockets and shared memory in the temp folder, and settings in the home, when it is killed: here they go with the folder.
        string[] own = [$"TMPDIR={folder.Folder("t")}", $"HOME={folder.Folder("home")}", $"XDG_CONFIG_HOME={folder["home/config"]}", $"XDG_CACHE_HOME={folder["home/cache"]}"];
        var inherited = ChildProcess.OwnEnvironment().Where(entry => !own.Any(o => Encoding.UTF8.GetString(entry).StartsWith(o[..(o.IndexOf('=') + 1)], StringComparison.Ordinal)));
        var toBrowser = new AnonymousPipeServerStream(PipeDirection.Out);
        var fromBrowser = new AnonymousPipeServerStream(PipeDirection.In);
        using var nothing = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        var process = ChildProcess.Start(new ChildProcessOptions
        {
            Path = "/usr/bin/chromium"u8.ToArray(),
            Arguments = [.. arguments.Select(Encoding.UTF8.GetBytes)],
            Environment = [.. inherited, .. own.Select(Encoding.UTF8.GetBytes)],
            Descriptors = [(nothing, 0), (nothing, 1), (nothing, 2), (toBrowser.ClientSafePipeHandle, 3), (fromBrowser.ClientSafePipeHandle, 4)],
            NewSession = true,
        });
        toBrowser.DisposeLocalCopyOfClientHandle();
        fromBrowser.DisposeLocalCopyOfClientHandle();
        var browser = new HeadlessBrowser(folder, process, toBrowser, fromBrowser);
        try
        {
            await browser.AttachAsync();
            return browser;
        }
        catch
        {
            await browser.DisposeAsync();
            throw;
        }
    }

    /// <summary>Opens a page in place of the one before, on a wide and light screen, and returns when its load event has fired.</summary>
    public async Task OpenAsync(string path)
    {
        await CallAsync("Emulation.setEmulatedMedia", new JsonObject { ["features"] = new JsonArray() });
        await CallAsync("Emulation.setDeviceMetricsOverride", new JsonObject { ["width"] = 1500, ["height"] = 900, ["deviceScaleFactor"] = 1, ["mobile"] = false });
        lock (_gate)
        {
            _complaints.Clear();
            _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        await CallAsync("Page.navigate", new JsonObject { ["url"] = new Uri(path).AbsoluteUri });
        await _loaded.Task.WaitAsync(s_patience);
    }

    /// <summary>The value of a JavaScript expression; a promise is awaited.</summary>
    public async Task<T> EvaluateAsync<T>(string expression)
    {
        var answer = await CallAsync("Runtime.evaluate", new JsonObject { ["expression"] = expression, ["returnByValue"] = true, ["awaitPromise"] = true });
        return answer!["exceptionDetails"] is { } thrown
            ? throw new InvalidOperationException(thrown.ToJsonString())
            : answer["result"]!["value"].Deserialize<T>()!;
    }

    /// <summary>Presses and releases the mouse in the middle of an element, which must be in sight.</summary>
    public async Task ClickAsync(string selector)
    {
        var at = await EvaluateAsync<double[]>($"(() => {{ const r = document.querySelector({JsonSerializer.Serialize(selector)}).getBoundingClientRect(); return [r.x + Math.min(r.width / 2, 60), r.y + r.height / 2]; }})()");
        foreach (var type in (string[])["mousePressed", "mouseReleased"])
        {
            await CallAsync("Input.dispatchMouseEvent", new JsonObject { ["type"] = type, ["x"] = at[0], ["y"] = at[1], ["button"] = "left", ["clickCount"] = 1 });
        }
    }

    public Task TypeAsync(string text) => CallAsync("Input.insertText", new JsonObject { ["text"] = text });

    public async Task PressAsync(string key)
    {
        foreach (var type in (string[])["keyDown", "keyUp"])
        {
            await CallAsync("Input.dispatchKeyEvent", new JsonObject { ["type"] = type, ["key"] = key, ["code"] = key });
        }
    }

    public async Task<byte[]> ScreenshotAsync() =>
        Convert.FromBase64String((string)(await CallAsync("Page.captureScreenshot", new JsonObject { ["format"] = "png" }))!["data"]!);

    /// <summary>Gives the page another size, and waits until it has drawn itself anew.</summary>
    public async Task ResizeAsync(int width, int height)
    {
        await CallAsync("Emulation.setDeviceMetricsOverride", new JsonObject { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = false });
        await EvaluateAsync<bool>("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
    }

    /// <summary>As a reader with a dark screen has it.</summary>
    public Task DarkAsync() => CallAsync("Emulation.setEmulatedMedia", new JsonObject
    {
        ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = "dark" }),
    });

    public async ValueTask DisposeAsync()
    {
        // Two ways for its helpers to end with it: the pipe, and the group that is all its own.
        _ = Floe.Linux.Interop.kill(-_process.Pid, Floe.Linux.Interop.SIGKILL);
        await _process.Exited;
        await _receiving;
        await _toBrowser.DisposeAsync();
        await _fromBrowser.DisposeAsync();
        _sending.Dispose();
        for (var i = 0; ; i++)
        {
            try
            {
                _folder.Dispose();
                return;
            }
            catch (IOException) when (i < 50)
            {
                // A helper that is just dying still writes.
                await Task.Delay(50);
            }
        }
    }

    private async Task AttachAsync()
    {
        var target = await CallAsync("Target.createTarget", new JsonObject { ["url"] = "about:blank" });
        var attached = await CallAsync("Target.attachToTarget", new JsonObject { ["targetId"] = (string)target!["targetId"]!, ["flatten"] = true });
        _session = (string)attached!["sessionId"]!;
        foreach (var domain in (string[])["Page", "Runtime", "Log", "Network"])
        {
            await CallAsync($"{domain}.enable", []);
        }
    }

    private async Task<JsonNode?> CallAsync(string method, JsonObject parameters)
    {
        var call = new TaskCompletionSource<JsonNode?>(TaskCreationOptions.RunContinuationsAsynchronously);
        int id;
        lock (_gate)
        {
            id = ++_lastCall;
            _calls[id] = call;
        }

        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters };
        if (_session is not null)
        {
            message["sessionId"] = _session;
        }

        await _sending.WaitAsync();
        try
        {
            await _toBrowser.WriteAsync(Encoding.UTF8.GetBytes(message.ToJsonString() + "\0"));
        }
        finally
        {
            _sending.Release();
        }

        return await call.Task.WaitAsync(s_patience);
    }

    /// <summary>Messages end with a zero byte.</summary>
    private void Receive()
    {
        var buffer = new byte[1 << 16];
        using var message = new MemoryStream();
        try
        {
            while (_fromBrowser.Read(buffer) is > 0 and var got)
            {
                var rest = buffer.AsSpan(0, got);
                for (int end; (end = rest.IndexOf((byte)0)) >= 0; rest = rest[(end + 1)..])
                {
                    message.Write(rest[..end]);
                    Take(JsonNode.Parse(message.ToArray())!);
                    message.SetLength(0);
                }

                message.Write(rest);
            }
        }
        catch (IOException)
        {
            // The browser is gone.
        }

        lock (_gate)
        {
            foreach (var call in _calls.Values)
            {
                call.TrySetException(new InvalidOperationException("chromium ended; is it installed whole (eng/tools test)?"));
            }
        }
    }

    private void Take(JsonNode message)
    {
        lock (_gate)
        {
            if ((int?)message["id"] is { } id)
            {
                if (_calls.Remove(id, out var call))
                {
                    if (message["error"] is { } error)
                    {
                        call.SetException(new InvalidOperationException(error.ToJsonString()));
                    }
                    else
                    {
                        call.SetResult(message["result"]);
                    }
                }

                return;
            }

            switch ((string?)message["method"])
            {
                case "Page.loadEventFired":
                    _loaded.TrySetResult();
                    break;
                case "Runtime.consoleAPICalled" or "Runtime.exceptionThrown" or "Log.entryAdded":
                    _complaints.Add(message.ToJsonString());
                    break;
                case "Network.requestWillBeSent" when message["params"]!["request"]!["url"]!.ToString() is var url && !url.StartsWith("file:", StringComparison.Ordinal) && !url.StartsWith("data:", StringComparison.Ordinal) && url != "about:blank":
                    _complaints.Add($"asked the network for {url}");
                    break;
            }
        }
    }
}
