using Floe.Cli.Console;
using Xunit;

namespace Floe.Operations.Tests.Cli;

public sealed class PrintableTests
{
    [Theory]
    [InlineData("plain text, größer, 日本 👩‍🚀", "plain text, größer, 日本 👩‍🚀")]
    [InlineData("a\nb\r\tc", "a\\nb\\r\\tc")]
    [InlineData("\e]0;title\a\e[2J\0\u007f", "\\x1b]0;title\\x07\\x1b[2J\\x00\\x7f")]
    [InlineData("\u009b2J\u0085", "\\u009b2J\\u0085")]
    [InlineData("txt.\u202egpj\u2066\u200f\u061c\u2028", "txt.\\u202egpj\\u2066\\u200f\\u061c\\u2028")]
    [InlineData("\U000E0041", "\\U000e0041")]
    public void Text_WhatATerminalWouldObey_IsEscaped(string text, string expected) => Assert.Equal(expected, Printable.Text(text));

    [Fact]
    public void Text_HalfOfACharacter_IsEscaped() => Assert.Equal("a\\ud83d!", Printable.Text("a" + '\ud83d' + "!"));

    [Fact]
    public void Lines_SeveralLines_StayLines() => Assert.Equal("a\\x1b\nb", Printable.Lines("a\e\r\nb"));

    [Theory]
    [InlineData("bash .command.run --a=b@c:1,2%", "bash", ".command.run", "--a=b@c:1,2%")]
    [InlineData("sh -c 'a b'", "sh", "-c", "a b")]
    [InlineData("echo '' '$HOME' '*' '~' größer", "echo", "", "$HOME", "*", "~", "größer")]
    [InlineData("echo 'it'\\''s'", "echo", "it's")]
    [InlineData("printf $'a\\nit\\'s \\\\ \\x1b[31m\\u202e'", "printf", "a\nit's \\ \e[31m\u202e")]
    public void Command_WordsThatAShellWouldTakeApart_AreQuoted(string expected, params string[] words) => Assert.Equal(expected, Printable.Command(words));
}
