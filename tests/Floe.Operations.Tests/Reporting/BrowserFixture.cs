using Xunit;

namespace Floe.Operations.Tests.Reporting;

/// <summary>One browser for the tests of a class, which takes a second to start.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    private HeadlessBrowser? _browser;

    public HeadlessBrowser Browser => _browser!;

    public async ValueTask InitializeAsync() => _browser = await HeadlessBrowser.StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }
    }
}
