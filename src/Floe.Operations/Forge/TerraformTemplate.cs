using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Floe.Operations.Forge;

/// <summary>The same environment as Terraform (HCL, provider hashicorp/aws). The state owns what it makes: `floe forge` will not touch it.</summary>
public static class TerraformTemplate
{
    public static string Write(ForgeSpec spec)
    {
        var hcl = new Hcl();
        hcl.Comment($"AWS Batch for snapshots with Floe: environment {spec.Name}.");
        hcl.Block("terraform", () => hcl.Block("required_providers", () => hcl.Map("aws", ("source", "hashicorp/aws"), ("version", ">= 6.0"))));
        hcl.Block("provider \"aws\"", () => hcl.Text("region", spec.Region));
        hcl.Block("locals", () => hcl.Map("tags", ("floe:stack", spec.Name), ("floe:made-by", "terraform")));
        Role(hcl, "instance", spec.InstanceRole, "ec2.amazonaws.com", ForgePolicies.Instance(spec));
        Role(hcl, "head", spec.HeadRole, "ecs-tasks.amazonaws.com", ForgePolicies.Head(spec));
        Role(hcl, "execution", spec.ExecutionRole, "ecs-tasks.amazonaws.com", ForgePolicies.Execution(spec));
        hcl.Resource("aws_iam_instance_profile", "instance", () =>
        {
            hcl.Text("name", spec.InstanceRole);
            hcl.Raw("role", "aws_iam_role.instance.name");
            hcl.Raw("tags", "local.tags");
        });
        hcl.Resource("aws_launch_template", "machines", () => Machines(hcl, spec));
        Environment(hcl, spec, "work", spec.WorkEnvironment, "SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED", spec.WorkTypes, spec.WorkCpus);
        Environment(hcl, spec, "head", spec.HeadEnvironment, "EC2", "BEST_FIT_PROGRESSIVE", spec.HeadTypes, spec.HeadCpus);
        Queue(hcl, "work", spec.WorkQueue, 1);
        Queue(hcl, "head", spec.HeadQueue, 10);
        Output(hcl, "work_queue", "process.queue of the pipeline", "aws_batch_job_queue.work.name");
        Output(hcl, "head_queue", "Where the pipeline itself runs", "aws_batch_job_queue.head.name");
        Output(hcl, "head_role", "jobRoleArn of the pipeline's job", "aws_iam_role.head.arn");
        Output(hcl, "execution_role", "aws.batch.executionRole", "aws_iam_role.execution.arn");
        return hcl.ToString();
    }

    private static void Role(Hcl hcl, string label, string name, string service, JsonObject policy)
    {
        hcl.Resource("aws_iam_role", label, () =>
        {
            hcl.Text("name", name);
            hcl.Json("assume_role_policy", ForgePolicies.Trust(service));
            hcl.Raw("tags", "local.tags");
        });
        hcl.Resource("aws_iam_role_policy", label, () =>
        {
            hcl.Text("name", ForgeResources.PolicyName);
            hcl.Raw("role", $"aws_iam_role.{label}.id");
            hcl.Json("policy", policy);
        });
    }

    private static void Machines(Hcl hcl, ForgeSpec spec)
    {
        hcl.Text("name", spec.LaunchTemplate);
        hcl.Raw("update_default_version", "true");
        hcl.Comment("floe forge show --user-data prints it in plain text.");
        hcl.Text("user_data", UserData.Base64);
        hcl.Block("metadata_options", () =>
        {
            hcl.Text("http_tokens", "required");
            hcl.Number("http_put_response_hop_limit", 2);
        });
        hcl.Block("block_device_mappings", () =>
        {
            hcl.Text("device_name", "/dev/xvda");
            hcl.Block("ebs", () =>
            {
                hcl.Number("volume_size", spec.RootVolumeGB);
                hcl.Text("volume_type", "gp3");
                hcl.Raw("encrypted", "true");
                hcl.Raw("delete_on_termination", "true");
            });
        });
        hcl.Block("tag_specifications", () =>
        {
            hcl.Text("resource_type", "instance");
            hcl.Raw("tags", "local.tags");
        });
        hcl.Raw("tags", "local.tags");
    }

    private static void Environment(Hcl hcl, ForgeSpec spec, string label, string name, string kind, string strategy, IReadOnlyList<string> types, int cpus) => hcl.Resource("aws_batch_compute_environment", label, () =>
    {
        hcl.Text("name", name);
        hcl.Text("type", "MANAGED");
        hcl.Text("state", "ENABLED");
        if (spec.ServiceRole is not null)
        {
            hcl.Text("service_role", spec.ServiceRole);
        }

        hcl.Block("compute_resources", () =>
        {
            hcl.Text("type", kind);
            hcl.Text("allocation_strategy", strategy);
            hcl.Number("min_vcpus", 0);
            hcl.Number("max_vcpus", cpus);
            hcl.List("instance_type", types);
            hcl.List("subnets", spec.Subnets);
            hcl.List("security_group_ids", spec.SecurityGroups);
            hcl.Raw("instance_role", "aws_iam_instance_profile.instance.arn");
            hcl.Block("launch_template", () =>
            {
                hcl.Raw("launch_template_id", "aws_launch_template.machines.id");
                hcl.Raw("version", "aws_launch_template.machines.latest_version");
            });
            hcl.Block("ec2_configuration", () =>
            {
                hcl.Text("image_type", "ECS_AL2023");
                if (spec.ImageId is not null)
                {
                    hcl.Text("image_id_override", spec.ImageId);
                }
            });
        });
        hcl.Raw("tags", "local.tags");
        hcl.Raw("depends_on", "[aws_iam_role_policy.instance]");
    });

    private static void Queue(Hcl hcl, string label, string name, int priority) => hcl.Resource("aws_batch_job_queue", label, () =>
    {
        hcl.Text("name", name);
        hcl.Text("state", "ENABLED");
        hcl.Number("priority", priority);
        hcl.Block("compute_environment_order", () =>
        {
            hcl.Number("order", 1);
            hcl.Raw("compute_environment", $"aws_batch_compute_environment.{label}.arn");
        });
        hcl.Raw("tags", "local.tags");
    });

    private static void Output(Hcl hcl, string name, string description, string value) => hcl.Block($"output \"{name}\"", () =>
    {
        hcl.Text("description", description);
        hcl.Raw("value", value);
    });

    /// <summary>As much of HCL as is written here. Text is quoted so that nothing in it is worked out.</summary>
    private sealed class Hcl
    {
        private readonly StringBuilder _text = new();
        private int _depth;

        public void Comment(string text) => Line($"# {text}");

        public void Raw(string name, string expression) => Line($"{name} = {expression}");

        public void Text(string name, string value) => Raw(name, Quote(value));

        public void Number(string name, int value) => Raw(name, value.ToString(CultureInfo.InvariantCulture));

        public void List(string name, IEnumerable<string> values) => Raw(name, $"[{string.Join(", ", values.Select(Quote))}]");

        public void Map(string name, params (string Key, string Value)[] entries)
        {
            Line($"{name} = {{");
            _depth++;
            foreach (var (key, value) in entries)
            {
                Line($"{(key.All(char.IsAsciiLetter) ? key : Quote(key))} = {Quote(value)}");
            }

            _depth--;
            Line("}");
        }

        public void Json(string name, JsonNode node)
        {
            Line($"{name} = jsonencode({Expression(node)})");
        }

        public void Resource(string type, string label, Action body) => Block($"resource \"{type}\" \"{label}\"", body);

        public void Block(string header, Action body)
        {
            if (_depth == 0 && _text.Length > 0)
            {
                _text.AppendLine();
            }

            Line(header + " {");
            _depth++;
            body();
            _depth--;
            Line("}");
        }

        /// <summary>As terraform fmt has it: the equals signs of neighbouring lines stand below each other.</summary>
        public override string ToString()
        {
            var lines = _text.ToString().Split('\n');
            for (var first = 0; first < lines.Length; first++)
            {
                var last = first;
                while (last < lines.Length && IsAligned(lines[last], lines[first]))
                {
                    last++;
                }

                var width = lines[first..last].Select(NameLength).DefaultIfEmpty(0).Max();
                for (var i = first; i < last; i++)
                {
                    lines[i] = lines[i].Insert(NameLength(lines[i]), new string(' ', width - NameLength(lines[i])));
                }

                first = Math.Max(first, last - 1);
            }

            return string.Join('\n', lines);
        }

        /// <summary>An assignment that ends on its line, as deep as its neighbour.</summary>
        private static bool IsAligned(string line, string neighbour) =>
            NameLength(line) > 0 && line[^1] is not ('{' or '[' or '(') && Depth(line) == Depth(neighbour);

        private static int Depth(string line) => line.Length - line.TrimStart(' ').Length;

        /// <summary>0 for a line that assigns nothing.</summary>
        private static int NameLength(string line) => line.TrimStart(' ').StartsWith('#') ? 0 : Math.Max(0, line.IndexOf(" = ", StringComparison.Ordinal));

        /// <summary>An object or list as HCL writes it, over several lines.</summary>
        private string Expression(JsonNode? node)
        {
            switch (node)
            {
                case JsonObject o:
                    _depth++;
                    var members = string.Concat(o.Select(m => $"{Indent}{m.Key} = {Expression(m.Value)}\n"));
                    _depth--;
                    return $"{{\n{members}{Indent}}}";
                case JsonArray a when a.All(i => i is JsonValue):
                    return $"[{string.Join(", ", a.Select(Expression))}]";
                case JsonArray a:
                    _depth++;
                    var items = string.Concat(a.Select(i => $"{Indent}{Expression(i)},\n"));
                    _depth--;
                    return $"[\n{items}{Indent}]";
                default:
                    return Quote(node!.GetValue<string>());
            }
        }

        private string Indent => new(' ', _depth * 2);

        private void Line(string text) => _text.Append(Indent).Append(text).Append('\n');

        private static string Quote(string text) =>
            $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal).Replace("${", "$${", StringComparison.Ordinal).Replace("%{", "%%{", StringComparison.Ordinal)}\"";
    }
}
