using System.Net;
using Amazon.Runtime;
using Floe.Agent.Run;
using Floe.S3;
using Xunit;

namespace Floe.Tests.Run;

public sealed class StoreFaultsTests
{
    [Theory]
    [InlineData(ObjectStoreErrorKind.Unavailable, false, true)]
    [InlineData(ObjectStoreErrorKind.Busy, false, true)]
    [InlineData(ObjectStoreErrorKind.AccessDenied, false, false)]
    [InlineData(ObjectStoreErrorKind.Credentials, false, false)]
    [InlineData(ObjectStoreErrorKind.Credentials, true, true)]
    public void MayPass_FaultOfAStore_IsOneThatHasNotRefused(ObjectStoreErrorKind kind, bool isSourceAway, bool expected) =>
        Assert.Equal(expected, StoreFaults.MayPass(new ObjectStoreException(kind, "it failed") { IsSourceAway = isSourceAway }));

    /// <summary>As the SDK tells an endpoint of containers that it does not reach, and STS that says no.</summary>
    [Fact]
    public void IsRefusal_WhatTheSdkSays_IsAnAnswerOrASetting()
    {
        Assert.False(AwsCredentialChain.IsRefusal(new AmazonServiceException("Unable to retrieve credentials. Message = \"Connection refused\"")));
        Assert.False(AwsCredentialChain.IsRefusal(new AmazonClientException("Failed to resolve AWS credentials.")));
        Assert.False(AwsCredentialChain.IsRefusal(Said(HttpStatusCode.ServiceUnavailable)));
        Assert.True(AwsCredentialChain.IsRefusal(Said(HttpStatusCode.Forbidden)));
        Assert.True(AwsCredentialChain.IsRefusal(new ArgumentException("no such profile")));
    }

    private static AmazonClientException Said(HttpStatusCode status) =>
        new("Error calling AssumeRole", new AmazonServiceException("said") { StatusCode = status });
}
