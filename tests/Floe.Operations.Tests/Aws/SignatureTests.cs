using Floe.S3;
using Xunit;

namespace Floe.Operations.Tests.Aws;

/// <summary>AWS's own test suite for Signature Version 4 ("get-vanilla", "post-vanilla"): a service that is not S3.</summary>
public sealed class SignatureTests
{
    [Theory]
    [InlineData("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")]
    [InlineData("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")]
    public void Authorization_VanillaRequest_IsAsPublished(string method, string signature)
    {
        var signed = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["host"] = "example.amazonaws.com", ["x-amz-date"] = "20150830T123600Z" };
        var header = new SigV4("service").Authorization(
            method, "/", "", signed, SigV4.EmptyPayload, new AccessKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), "us-east-1", "20150830T123600Z");
        Assert.EndsWith(signature, header, StringComparison.Ordinal);
        Assert.Contains("/us-east-1/service/aws4_request", header, StringComparison.Ordinal);
    }
}
