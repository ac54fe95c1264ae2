using Google.Protobuf;

namespace Floe.Criu.Streaming;

/// <summary>The messages of images/img-streamer.proto.</summary>
internal static class StreamFrames
{
    /// <summary>A name, its tag and length, and room for fields of later versions.</summary>
    public const int MaxRequestBytes = 1024;

    private const uint FilenameTag = (1 << 3) | (uint)WireFormat.WireType.LengthDelimited;

    /// <summary>The file name of an img_streamer_request_entry.</summary>
    public static string ParseRequest(ReadOnlySpan<byte> message)
    {
        string? name = null;
        try
        {
            var input = new CodedInputStream(message.ToArray());
            for (var tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
            {
                if (tag == FilenameTag)
                {
                    name = ImageName.Parse(input.ReadBytes().Span);
                }
                else
                {
                    input.SkipLastField();
                }
            }
        }
        catch (InvalidProtocolBufferException error)
        {
            throw new ImageStreamException("CRIU sent a request that is not one", error);
        }

        return name ?? throw new ImageStreamException("CRIU sent a request without a file name");
    }

    /// <summary>A whole frame with an img_streamer_reply_entry.</summary>
    public static byte[] Reply(bool exists) => [2, 0, 0, 0, 1 << 3, exists ? (byte)1 : (byte)0];
}
