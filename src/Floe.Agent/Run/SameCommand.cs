using System.Text;
using Floe.Store;

namespace Floe.Agent.Run;

/// <summary>Whether a command line asks for the task that the snapshots of its key are of: keys that people give can be given twice.</summary>
internal static class SameCommand
{
    private const int MaxShown = 60;

    /// <summary>Null when it does; else what differs, in one line.</summary>
    public static string? WhyNot(TaskFacts task, IReadOnlyList<byte[]> command, string workingDirectory)
    {
        // As a manifest holds them: bytes that are no UTF-8 count alike.
        var words = command.Select(Encoding.UTF8.GetString).ToList();
        if (!task.Command.SequenceEqual(words))
        {
            var at = task.Command.Zip(words).TakeWhile(pair => pair.First == pair.Second).Count();
            return $"word {at + 1} of the command was {Shown(task.Command.ElementAtOrDefault(at))}, here it is {Shown(words.ElementAtOrDefault(at))}";
        }

        return task.WorkingDirectory == workingDirectory ? null : $"it was started in {Shown(task.WorkingDirectory)}, here it is {Shown(workingDirectory)}";
    }

    /// <summary>One line of a word that may be a whole script.</summary>
    private static string Shown(string? word)
    {
        if (word is null)
        {
            return "missing";
        }

        var line = new string([.. word.Select(c => char.IsControl(c) ? ' ' : c)]);
        return line.Length <= MaxShown ? $"'{line}'" : $"'{line[..MaxShown]}…'";
    }
}
