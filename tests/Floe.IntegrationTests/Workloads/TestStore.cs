namespace Floe.IntegrationTests.Workloads;

/// <summary>A store as a machine names it.</summary>
/// <param name="Url">For --store.</param>
/// <param name="Environment">What floe needs to reach it.</param>
/// <param name="Folder">The host's folder that the machine must see as /store; null when there is none.</param>
internal sealed record TestStore(string Url, IReadOnlyDictionary<string, string> Environment, string? Folder);
