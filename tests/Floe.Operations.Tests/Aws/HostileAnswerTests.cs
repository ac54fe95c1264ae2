using System.Text;
using Floe.Aws.Api;
using Xunit;

namespace Floe.Operations.Tests.Aws;

/// <summary>Answers with random damage: read, or refused as an <see cref="AwsException"/>; nothing else comes out of a parser, whosever it is.</summary>
public sealed class HostileAnswerTests
{
    private const int Answers = 500;

    private const string Types =
        "<R xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><instanceTypeSet><item><instanceType>c6i.large</instanceType><currentGeneration>true</currentGeneration><vCpuInfo><defaultVCpus>4</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo><networkInfo><networkPerformance>10 Gigabit</networkPerformance><networkCards><item><baselineBandwidthInGbps>1.5</baselineBandwidthInGbps></item></networkCards></networkInfo><supportedUsageClasses><item>spot</item></supportedUsageClasses></item></instanceTypeSet></R>";

    private const string Prices =
        "<R><spotPriceHistorySet><item><instanceType>c6id.8xlarge</instanceType><availabilityZone>eu-central-1a</availabilityZone><timestamp>2026-11-02T09:00:00.000Z</timestamp><spotPrice>0.5</spotPrice></item></spotPriceHistorySet></R>";

    private const string Parameter = """{"Parameter":{"Name":"n","Value":"v","Version":3,"LastModifiedDate":1.5e9,"ARN":"a"}}""";

    private static readonly string[] s_pieces = ["[", "{", "<", "\"", "99999999999999999999", "-1", "1e999", "null", "true", "x", "<item>", "</item>", "&a;", "\0"];

    [Fact]
    public Task InstanceTypes_Damaged_AreReadOrRefused() => AskAsync(Types, 1, client => new Ec2Api(client).DescribeInstanceTypesAsync(null, default));

    [Fact]
    public Task SpotPrices_Damaged_AreReadOrRefused() => AskAsync(Prices, 2, client => new Ec2Api(client).DescribeSpotPricesAsync(["c6id.8xlarge"], DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddDays(1), default));

    [Fact]
    public Task Parameter_Damaged_IsReadOrRefused() => AskAsync(Parameter, 3, client => new SsmApi(client).GetParameterAsync("/x", default));

    private static async Task AskAsync(string sound, int seed, Func<AwsClient, Task> ask)
    {
        var random = new Random(seed);
        var said = "";
        await using var aws = await AwsDouble.StartAsync((_, _) => new(200, said));
        using var client = aws.Client(attempts: 1);
        var (read, refused) = (0, 0);
        for (var i = 0; i < Answers; i++)
        {
            said = Damage(sound, random);
            try
            {
                await ask(client);
                read++;
            }
            catch (AwsException e)
            {
                Assert.Equal(AwsErrorKind.Malformed, e.Kind);
                refused++;
            }
            catch (Exception e)
            {
                Assert.Fail($"{said}\n{e}");
            }
        }

        Assert.True(read > 10 && refused > 10, $"{read} read, {refused} refused");
    }

    private static string Damage(string sound, Random random)
    {
        var text = new StringBuilder(sound);
        for (var times = random.Next(1, 4); times > 0 && text.Length > 0; times--)
        {
            var at = random.Next(text.Length);
            _ = random.Next(4) switch
            {
                0 => text.Remove(at, text.Length - at),
                1 => text.Remove(at, random.Next(Math.Min(20, text.Length - at))),
                2 => text.Insert(at, s_pieces[random.Next(s_pieces.Length)]),
                _ => text.Replace(text[at], (char)random.Next(32, 127), at, 1),
            };
        }

        return text.ToString();
    }
}
