using System.Text;

namespace Floe.Operations.Forge;

/// <summary>What a machine does when it starts, in the MIME form that AWS Batch asks of a launch template, so that it can add its own part.</summary>
internal static class UserData
{
    public static string Script { get; } = Read();

    public static string Mime { get; } = string.Join('\n',
        "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=\"==FLOE==\"", "", "--==FLOE==", "Content-Type: text/x-shellscript; charset=\"us-ascii\"", "", Script.TrimEnd(), "", "--==FLOE==--", "");

    public static string Base64 { get; } = Convert.ToBase64String(Encoding.UTF8.GetBytes(Mime));

    private static string Read()
    {
        using var stream = typeof(UserData).Assembly.GetManifestResourceStream("forge/user-data.sh") ?? throw new InvalidOperationException("the program lacks its user data");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
