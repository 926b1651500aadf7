// Every call here ends with the server, which the test disposes of.
#pragma warning disable xUnit1051
using System.Collections.Concurrent;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using Identity.Testing.Platform;
using Identity.V1;
using static Identity.Tests.Server.ComponentPolicy.TestPolicies;

namespace Identity.Tests.Server.ComponentPolicy;

/// <summary>Documents made to hurt, and writers by the thousand.</summary>
public sealed class PolicyAdminAttackTests : PolicyServerTest
{
    [Fact]
    public async Task Refuses_a_document_of_100_MB_before_it_has_read_it()
    {
        var sent = new Counter();
        using var channel = CountingChannel(sent);
        var hundred = new ApplyPoliciesRequest { Documents = { new PolicySource { Text = new string('#', 100 << 20) } } };

        var refused = await Assert.ThrowsAsync<RpcException>(async () => await new PolicyAdmin.PolicyAdminClient(channel).ApplyPoliciesAsync(hundred, deadline: TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(30)));

        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
        // What the connection's flow control lets through unread, and no more.
        Assert.InRange(sent.Bytes, 1, 8 << 20);
        await _admin.ApplyAsync(Permit("after"));
    }

    [Fact]
    public async Task Refuses_a_document_of_more_than_a_mebibyte_and_one_problem_does_not_hide_the_next()
    {
        var refused = await RefusedAsync(() => _admin.ApplyAsync(Permit("a") + "\n#" + new string('x', 1 << 20), "kind: Nonsense"));
        Assert.All(["document 1", "document 2"], text => Assert.Contains(text, refused.Status.Detail, StringComparison.Ordinal));
    }

    public static TheoryData<string, string> Bombs => new()
    {
        { "a billion laughs", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" + Permit("bomb") },
        { "an anchor", Permit("bomb").Replace("name: bomb", "name: &n bomb", StringComparison.Ordinal) },
        { "an alias that means itself", "kind: CapabilityPolicy\nname: bomb\nrules: &r [*r]\n" },
        { "a merge key", Permit("bomb") + "\n<<: { name: other }\n" },
        { "a tag", Permit("bomb").Replace("name: bomb", "name: !!python/object/apply:os.system bomb", StringComparison.Ordinal) },
        { "a directive", "%TAG ! tag:example.org,2000:\n---\n" + Permit("bomb") },
        { "a deep list", "kind: CapabilityPolicy\nname: bomb\nrules: " + new string('[', 100_000) },
        { "a deep mapping", "kind: CapabilityPolicy\nname: bomb\nrules: " + string.Concat(Enumerable.Repeat("{a: ", 50_000)) },
        { "a key given twice", Permit("bomb") + "\nname: other\n" },
        { "a hundred thousand keys", Permit("bomb") + "\n" + string.Concat(Enumerable.Range(0, 60_000).Select(i => $"k{i}: 1\n")) },
        { "a hundred thousand documents", string.Concat(Enumerable.Repeat("---\na\n", 100_000)) },
        { "two documents in one", Permit("bomb") + "\n---\n" + Permit("second") },
        { "a name that never ends", Permit(new string('n', 900_000)) },
        { "more rules than a policy has", "kind: CapabilityPolicy\nname: bomb\nrules: [" + string.Concat(Enumerable.Repeat("{},", 200_000)) + "]" },
        { "a zero byte", Permit("bomb") + "\u0000" },
        { "half a surrogate's replacement in a name", Permit("\"bomb\ufffd\"") },
        { "a byte order mark in the middle", Permit("\"bo\ufeffmb\"") },
        { "right to left", Permit("\"\u202ebmob\"") },
        { "a line that a terminal writes over", Permit("bomb") + " # nothing more\rlabels: []\n" },
        { "the same in JSON", """{ "kind": "CapabilityPolicy", "name": "bomb", "rules": [{ "name": "a", "effect": "permit", "subjects": [{ "lattice": "l" }], "capabilities": ["start"] }],""" + "\r\"labels\": [] }" },
        { "a role with such a line", Role("bomb", "unix:4242") + " # nothing more\rlabels: []\n" },
        { "a role with an anchor", Role("bomb", "unix:4242").Replace("name: bomb", "name: &n bomb", StringComparison.Ordinal) },
    };

    [Theory]
    [MemberData(nameof(Bombs))]
    public async Task Refuses_what_is_made_to_explode_or_to_mean_two_things(string what, string document)
    {
        Assert.NotEmpty(what);
        var before = _server.Ledger.State.Revision;
        await RefusedAsync(() => _admin.ApplyAsync(Permit("innocent"), document));
        await RefusedAsync(() => _admin.ProposeAsync(document));
        await RefusedAsync(async () => await _admin.Client.StageAsync(new() { Documents = { new PolicySource { Text = document } }, Reason = "why", SoakSeconds = 1 }));
        Assert.Equal(before, _server.Ledger.State.Revision);
    }

    public static TheoryData<string, string> Lookalikes => new(LookAlikes.All);

    [Theory]
    [MemberData(nameof(Lookalikes))]
    public async Task Refuses_letters_that_look_like_others_by_whichever_way_they_come(string right, string wrong)
    {
        var document = LookAlikes.Policy.Replace(right, wrong, StringComparison.Ordinal);
        Assert.NotEqual(LookAlikes.Policy, document);
        var before = _server.Ledger.State.Revision;
        RpcException[] refusals =
        [
            await RefusedAsync(() => _admin.ApplyAsync(document)),
            await RefusedAsync(() => _admin.ProposeAsync(document)),
            await RefusedAsync(async () => await _admin.Client.StageAsync(new() { Documents = { new PolicySource { Text = document } }, Reason = "why", SoakSeconds = 1 })),
        ];
        // What is shown of it shows that it is none of ours.
        Assert.All(refusals, refused => Assert.All(refused.Status.Detail, character => Assert.True(character is < '\u0080' or '…', refused.Status.Detail)));
        Assert.Equal(before, _server.Ledger.State.Revision);
        await _admin.ApplyAsync(LookAlikes.Policy);
    }

    [Theory]
    [InlineData("name: team", "name: te\u0430m")]
    [InlineData("unix:4242", "unix:\u0664242")]
    [InlineData("spiffe://example.org/components/shop", "spiffe://example.org/components/sh\u043ep")]
    public async Task Refuses_such_letters_in_a_role(string right, string wrong)
    {
        var role = Role("team", "unix:4242");
        var document = role.Replace(right, wrong, StringComparison.Ordinal);
        Assert.NotEqual(role, document);
        await RefusedAsync(() => _admin.ApplyAsync(document));
        await RefusedAsync(() => _admin.ProposeAsync(document));
        Assert.Equal(0, _server.Ledger.State.Governance.Roles.Count);
    }

    [Fact]
    public async Task Refuses_more_policies_than_may_be_in_force_together()
    {
        await _admin.ApplyAsync([.. Enumerable.Range(0, 1000).Select(i => Permit($"p{i}"))]);
        var refused = await Assert.ThrowsAsync<RpcException>(() => _admin.ApplyAsync(Permit("one-more")));
        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
    }

    [Fact]
    public async Task Keeps_what_each_of_a_thousand_writers_wrote_exactly_once_and_tells_who_is_refused_why()
    {
        var writers = Enumerable.Range(0, 100).Select(_ => new PolicyAdmin.PolicyAdminClient(CountingChannel(new Counter()))).ToList();
        var before = _server.Ledger.State.Revision;

        // Others change the ledger all the while, so that writers of policy collide with more than one another.
        using var stop = new CancellationTokenSource();
        var noise = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested) await _server.CreateTokenAsync();
        });
        var refusals = new ConcurrentQueue<string>();
        var succeeded = await Task.WhenAll(Enumerable.Range(0, 1000).Select(async i =>
        {
            // Three hundred names: most are written over by somebody else. Who is refused tries again, as it is told to.
            var text = Permit($"p{i % 300}") + $"\n# writer {i}";
            while (true)
            {
                try
                {
                    var answer = await writers[i % writers.Count].ApplyPoliciesAsync(PolicyWriter.Request(text));
                    return (Text: text, answer.Revision);
                }
                catch (RpcException refused) when (refused.StatusCode == StatusCode.Aborted)
                {
                    refusals.Enqueue(refused.Status.Detail);
                }
            }
        }));
        await stop.CancelAsync();
        await noise;

        // A refusal says why, and that it may be tried again; it left nothing, for each text is in the ledger once.
        Assert.All(refusals, why => Assert.Matches("^the ledger changed [0-9]+ times meanwhile; try again$", why));
        Assert.Equal(succeeded.Length, succeeded.Select(one => one.Revision).Distinct().Count());
        var recorded = _server.Ledger.ReadTransactions(succeeded.Select(one => one.Revision)).ToDictionary(one => one.Revision, one => one.Transaction.Changes);
        Assert.All(succeeded, one => Assert.Equal(one.Text, Assert.Single(recorded[one.Revision]).PolicySet.Text));
        var all = _server.Ledger.ListTransactions((int)(_server.Ledger.State.Revision - before))
            .SelectMany(one => one.Transaction.Changes).Select(change => change.PolicySet).OfType<Identity.Ledger.V1.Policy>().ToList();
        Assert.Equal(succeeded.Select(one => one.Text).Order(StringComparer.Ordinal), all.Select(set => set.Text).Order(StringComparer.Ordinal));
        // The last one to write a name is in force.
        Assert.All(
            succeeded.GroupBy(one => one.Text.Split('\n')[1]),
            same => Assert.Equal(same.MaxBy(one => one.Revision).Text, _server.Ledger.State.Policies[same.Key["name: ".Length..]].Text));
    }

    [Fact]
    public async Task Lets_one_of_a_hundred_writers_win_who_all_saw_the_same_revision()
    {
        var seen = (await _admin.Client.ListPoliciesAsync(new())).Revision;
        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(async i =>
        {
            var request = PolicyWriter.Request(Permit($"p{i}"));
            request.ExpectedRevision = seen;
            try
            {
                await _admin.Client.ApplyPoliciesAsync(request);
                return StatusCode.OK;
            }
            catch (RpcException refused)
            {
                return refused.StatusCode;
            }
        }));
        Assert.Single(answers, StatusCode.OK);
        Assert.Equal(99, answers.Count(code => code == StatusCode.Aborted));
        Assert.Single(_server.Ledger.State.Policies);
    }

    private GrpcChannel CountingChannel(Counter counter) => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
    {
        MaxSendMessageSize = null,
        DisposeHttpClient = true,
        HttpHandler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(_server.AdminSocket), cancellation);
                return new CountingStream(socket, counter);
            },
        },
    });

    private static async Task<RpcException> RefusedAsync(Func<Task> call)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(call);
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        return refused;
    }

    private sealed class Counter
    {
        public long Bytes;
    }

    private sealed class CountingStream(Socket socket, Counter counter) : NetworkStream(socket, ownsSocket: true)
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Interlocked.Add(ref counter.Bytes, buffer.Length);
            return base.WriteAsync(buffer, cancellationToken);
        }
    }
}
