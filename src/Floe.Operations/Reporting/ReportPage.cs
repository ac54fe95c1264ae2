using System.Net;
using System.Text;
using System.Text.Json;

namespace Floe.Operations.Reporting;

/// <summary>A report as one HTML page that asks nobody for anything: style, script and data are in it.</summary>
public static class ReportPage
{
    private const string StyleMark = "/*STYLE*/";
    private const string ScriptMark = "/*SCRIPT*/";
    private const string DataMark = "/*DATA*/";
    private const string TitleMark = "<!--TITLE-->";

    public static async Task WriteAsync(Report report, Stream output, CancellationToken cancellationToken)
    {
        var page = Part("page.html");
        var writer = new StreamWriter(output, new UTF8Encoding(false), leaveOpen: true);
        await using (writer.ConfigureAwait(false))
        {
            foreach (var (text, mark) in Split(page, TitleMark, StyleMark, DataMark, ScriptMark))
            {
                await writer.WriteAsync(text.AsMemory(), cancellationToken).ConfigureAwait(false);
                switch (mark)
                {
                    case TitleMark:
                        await writer.WriteAsync(WebUtility.HtmlEncode(report.Title).AsMemory(), cancellationToken).ConfigureAwait(false);
                        break;
                    case StyleMark:
                        await writer.WriteAsync(Part("page.css").AsMemory(), cancellationToken).ConfigureAwait(false);
                        break;
                    case ScriptMark:
                        await writer.WriteAsync(Part("page.js").AsMemory(), cancellationToken).ConfigureAwait(false);
                        break;
                    case DataMark:
                        // The default encoder writes '<', '>' and '&' as \u00XX, so nothing in a trace can end the script element.
                        await writer.FlushAsync(cancellationToken).ConfigureAwait(false);
                        await JsonSerializer.SerializeAsync(output, report, ReportJson.Default.Report, cancellationToken).ConfigureAwait(false);
                        break;
                }
            }
        }
    }

    private static IEnumerable<(string Text, string? Mark)> Split(string page, params string[] marks)
    {
        var from = 0;
        foreach (var mark in marks)
        {
            var at = page.IndexOf(mark, from, StringComparison.Ordinal);
            yield return (page[from..at], mark);
            from = at + mark.Length;
        }

        yield return (page[from..], null);
    }

    private static string Part(string name)
    {
        using var stream = typeof(ReportPage).Assembly.GetManifestResourceStream($"report/{name}")
            ?? throw new InvalidOperationException($"the program lacks its part report/{name}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
