using Floe.S3;
using Xunit;

namespace Floe.Tests.S3;

/// <summary>
/// The examples of the S3 API reference, "Authenticating Requests: Using the Authorization Header", with its documented keys:
/// examplebucket, 24 May 2013, us-east-1.
/// </summary>
public sealed class SigV4Tests
{
    private const string Timestamp = "20130524T000000Z";
    private static readonly AccessKeys Keys = new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

    [Fact]
    public void Authorization_PublishedGetObject_HasThePublishedSignature()
    {
        var authorization = Sign("GET", "/test.txt", "", SigV4.EmptyPayload, ("range", "bytes=0-9"));
        Assert.Equal(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            authorization);
    }

    [Fact]
    public void Authorization_PublishedPutObject_HasThePublishedSignature()
    {
        var authorization = Sign(
            "PUT", "/" + SigV4.Encode("test$file.text", keepSlash: true), "", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            ("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY"));
        Assert.EndsWith("Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", authorization, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")]
    [InlineData("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")]
    public void Authorization_PublishedBucketRequests_HaveThePublishedSignatures(string query, string signature)
    {
        Assert.EndsWith("Signature=" + signature, Sign("GET", "/", query, SigV4.EmptyPayload), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a b+c/d", "a%20b%2Bc/d")]
    [InlineData("é~._-", "%C3%A9~._-")]
    public void Encode_Path_KeepsSlashesAndUnreserved(string text, string encoded) => Assert.Equal(encoded, SigV4.Encode(text, keepSlash: true));

    [Fact]
    public void ToString_AccessKeys_ShowsNoSecret() => Assert.Equal("AKIAIOSFODNN7EXAMPLE", Keys.ToString());

    private static string Sign(string method, string path, string query, string payload, params ReadOnlySpan<(string Name, string Value)> headers)
    {
        var signed = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["host"] = "examplebucket.s3.amazonaws.com",
            ["x-amz-content-sha256"] = payload,
            ["x-amz-date"] = Timestamp,
        };
        foreach (var (name, value) in headers)
        {
            signed[name] = value;
        }

        return new SigV4().Authorization(method, path, query, signed, payload, Keys, "us-east-1", Timestamp);
    }
}
