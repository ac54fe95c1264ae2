namespace Floe.Operations;

/// <summary>What of Floe needs a right.</summary>
public enum RightUse
{
    /// <summary>Everything: snapshots, leases, listings.</summary>
    Store,

    /// <summary>Files in a mount: uploads in parts, those that the next machine goes on with, and those that nobody will.</summary>
    Mount,

    /// <summary>Tags of a mount's objects.</summary>
    Tags,
}

/// <summary>A right on a bucket or on its objects, by IAM's name for the action.</summary>
/// <param name="IsOfBucket">The resource is the bucket itself (arn:…:::NAME), else its objects (arn:…:::NAME/*).</param>
public sealed record StoreRight(string Action, RightUse Use, bool IsOfBucket = false);

/// <summary>The one list of what Floe does in a bucket: <c>floe forge</c> allows it, <c>floe doctor</c> looks for it, docs/stores.md says it.</summary>
public static class StoreRights
{
    public static readonly IReadOnlyList<StoreRight> All =
    [
        new("s3:GetObject", RightUse.Store),
        new("s3:PutObject", RightUse.Store),
        new("s3:DeleteObject", RightUse.Store),
        new("s3:ListBucket", RightUse.Store, IsOfBucket: true),
        new("s3:AbortMultipartUpload", RightUse.Mount),
        new("s3:ListMultipartUploadParts", RightUse.Mount),
        new("s3:ListBucketMultipartUploads", RightUse.Mount, IsOfBucket: true),
        new("s3:GetObjectTagging", RightUse.Tags),
        new("s3:PutObjectTagging", RightUse.Tags),
    ];

    /// <summary>On the key, where a bucket's objects are encrypted with one of KMS. Which key that is no policy tells, so the doctor does not look.</summary>
    public static readonly IReadOnlyList<string> OfKmsKey = ["kms:GenerateDataKey", "kms:Decrypt"];
}
