namespace Identity.Policy.Tests.Language;

/// <summary>Capabilities are sets: what they cover, share and mean equals what listing a small world says.</summary>
public sealed class CapabilityTests
{
    public static TheoryData<string> Patterns => [.. PlainMeaning.Patterns];

    [Theory]
    [MemberData(nameof(Patterns))]
    public void Covers_and_overlaps_what_listing_says(string text)
    {
        var capability = Capability.Parse(text);
        var mine = PlainMeaning.Things.Where(thing => PlainMeaning.Means(text, thing)).ToHashSet();
        Assert.True(mine.Count > 0, "the world has something of it");
        foreach (var other in PlainMeaning.Patterns)
        {
            var theirs = PlainMeaning.Things.Where(thing => PlainMeaning.Means(other, thing)).ToArray();
            Assert.True(theirs.All(mine.Contains) == capability.Covers(Capability.Parse(other)), $"{text} covers {other}");
            Assert.True(theirs.Any(mine.Contains) == capability.Overlaps(Capability.Parse(other)), $"{text} overlaps {other}");
        }
    }

    [Theory]
    [MemberData(nameof(Patterns))]
    public void Means_each_thing_that_listing_says(string text)
    {
        var capability = Capability.Parse(text);
        foreach (var thing in PlainMeaning.Things)
        {
            // How often and how soon is no question of a request to respond.
            if (thing.StartsWith("natsRespond", StringComparison.Ordinal)) continue;
            var request = CapabilityRequest.Parse(thing);
            Assert.True(PlainMeaning.Means(text, thing) == capability.Matches(request), $"{text} matches {thing}");
            Assert.True(PlainMeaning.MayBe(thing).Any(one => PlainMeaning.Means(text, one)) == capability.Touches(request), $"{text} touches {thing}");
        }
    }

    [Theory]
    [MemberData(nameof(Patterns))]
    public void Of_several_things_at_once_a_permit_means_all_and_a_forbid_any(string text)
    {
        var capability = Capability.Parse(text);
        foreach (var wide in PlainMeaning.Wide)
        {
            var request = CapabilityRequest.Parse(wide);
            // A rule without a queue group means every group; a subscription without one is in none.
            var asked = PlainMeaning.Things.Where(thing => PlainMeaning.Means(wide, thing)
                && (request is not CapabilityRequest.NatsSubscribe { Queue: null } || thing.Count(' ') == 1)).ToArray();
            Assert.True(asked.All(thing => PlainMeaning.Means(text, thing)) == capability.Matches(request), $"{text} matches {wide}");
            Assert.True(asked.SelectMany(PlainMeaning.MayBe).Any(thing => PlainMeaning.Means(text, thing)) == capability.Touches(request), $"{text} touches {wide}");
        }
    }

    [Theory]
    [MemberData(nameof(Patterns))]
    public void Reads_back_what_it_writes_as_text_and_as_yaml(string text)
    {
        var capability = Capability.Parse(text);
        Assert.Equal(capability, Capability.Parse(capability.ToString()));

        var document = Samples.Document(Samples.Source(("forbid", $"spiffeId: {Samples.Greeter}", Item(capability))));
        Assert.Equal(capability, Assert.Single(Assert.Single(document.Rules).Capabilities));
    }

    [Fact]
    public void The_narrowest_capability_for_a_request_grants_it_and_reads_as_the_request()
    {
        foreach (var thing in PlainMeaning.Things.Concat(PlainMeaning.Wide))
        {
            var request = CapabilityRequest.Parse(thing);
            Assert.True(request.ToCapability().Matches(request), thing);
            Assert.Equal(request, CapabilityRequest.Parse(request.ToString()));
        }
    }

    // Texts that a person, a generator or an attacker may write; none may mean something else than it says.
    [Theory]
    [InlineData("start now", "'start' has no value")]
    [InlineData("begin", "unknown capability 'begin'")]
    [InlineData("conect a.x:443", "did you mean 'connect'?")]
    [InlineData("import wasi:io/*@0.2.0#poll", "names a function of every interface")]
    [InlineData("import wasi:io/poll@0.2.0#", "is not the name of a function")]
    [InlineData("import wasi:io/poll@0.2.0#[method]poll", "is not the name of a function")]
    [InlineData("import wasi:io/poll@0.2.0#po*", "is not the name of a function")]
    [InlineData("import #run", "is not an import")]
    [InlineData("export #Run", "is not an export")]
    [InlineData("export #*", "is not an export")]
    [InlineData("natsSubscribe a.> q*", "is not the name of a queue group")]
    [InlineData("natsSubscribe a.> q r", "is not the name of a queue group")]
    [InlineData("natsRespond 0 1s", "is not a count")]
    [InlineData("natsRespond 1", "is not a time")]
    [InlineData("stream ORDERS", "is no access")]
    [InlineData("stream ORDERS everything", "is no access")]
    [InlineData("stream OR.DERS read", "is not the name of a stream")]
    [InlineData("stream * read", "is not the name of a stream")]
    [InlineData("stream  read", "the name of the stream has 0 characters")]
    [InlineData("consumer ORDERS consume", "names no consumer")]
    [InlineData("consumer ORDERS/a/b consume", "is not the name of a consumer")]
    [InlineData("consumer ORDERS/> consume", "is not the name of a consumer")]
    [InlineData("bucket settings/$KV.other.> read", "keys have letters")]
    [InlineData("bucket settings/>.x read", "names no keys")]
    [InlineData("bucket settings/..a read", "names no keys")]
    [InlineData("bucket set.tings/> read", "is not the name of a bucket")]
    [InlineData("connect api.example.com", "names no port")]
    [InlineData("connect api.example.com:0", "is not a port")]
    [InlineData("connect https://api.example.com", "is a URL; expected a name or addresses and a port without a scheme or a path, such as api.example.com:443")]
    [InlineData("connect api.example.com:65536", "is not a port")]
    [InlineData("connect api.example.com:8100-8000", "run backwards; expected 8000-8100")]
    [InlineData("connect api.example.com:0443", "is not a port")]
    [InlineData("connect https://api.example.com:443", "is a URL; expected a name or addresses and a port without a scheme")]
    [InlineData("connect Api.example.com:443", "lower-case")]
    [InlineData("connect api.*.com:443", "'*' that does not stand alone")]
    [InlineData("connect *api.example.com:443", "'*' that does not stand alone")]
    [InlineData("connect api..com:443", "empty")]
    [InlineData("connect 10.0.0.1/8:443", "bits behind its prefix; the network is 10.0.0.0/8")]
    [InlineData("connect 10.0.0.0/33:443", "prefix length outside 0 to 32")]
    [InlineData("connect 10.0.0.0/08:443", "no valid prefix length")]
    [InlineData("connect 10.0.0:443", "ends in a number")]
    [InlineData("connect 010.0.0.1:443", "ends in a number")]
    [InlineData("connect 127.1:443", "ends in a number")]
    [InlineData("connect 0x7f000001:443", "ends in a number")]
    [InlineData("connect 300.0.0.1:443", "is not an IP address")]
    [InlineData("connect 2001:db8::1:443", "names no port")]
    [InlineData("connect [2001:db8::1]", "names no port")]
    [InlineData("connect [fe80::1%eth0]:443", "names a zone")]
    [InlineData("connect [10.0.0.1]:443", "is not an IPv6 address in brackets")]
    [InlineData("connect [2001:db8::1/32]:443", "is not an IPv6 address in brackets")]
    [InlineData("connect api.example.com:443/icmp", "is not a port")]
    [InlineData("connect \u0430pi.example.com:443", "lower-case ASCII")]
    [InlineData("resolve api.example.com.", "empty")]
    [InlineData("resolve \u212aelvin.example", "lower-case ASCII")]
    [InlineData("config db//host", "empty segment")]
    [InlineData("config db/../host", "has the segment '..'")]
    [InlineData("config db*", "does not stand alone")]
    [InlineData("config */host", "does not stand alone")]
    [InlineData("config /db", "empty segment")]
    [InlineData("secret ", "the name is empty")]
    [InlineData("secret \u0441lient", "only printable ASCII")]
    [InlineData("audience https://*.example.com", "audiences are named one by one")]
    [InlineData("audience ", "expected 1 to 1024")]
    [InlineData("mount var/data", "does not begin with '/'")]
    [InlineData("mount /var/../etc", "has the segment '..'")]
    [InlineData("mount /var/data/", "empty segment")]
    [InlineData("mount //var", "empty segment")]
    public void Refuses_what_could_be_read_in_two_ways(string text, string why) =>
        Assert.Contains(why, Assert.Throws<FormatException>(() => Capability.Parse(text)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("connect API.Example.COM:443", "connect api.example.com:443")]
    [InlineData("connect [::ffff:10.0.0.1]:443", "connect 10.0.0.1:443")]
    [InlineData("connect [::FFFF:a00:1]:443/tcp", "connect 10.0.0.1:443")]
    [InlineData("connect [::ffff:10.0.0.0]/104:443", "connect 10.0.0.0/8:443")]
    [InlineData("connect [2001:DB8:0::1]:443", "connect [2001:db8::1]:443")]
    [InlineData("connect 0.0.0.0/0:1-65535", "connect 0.0.0.0/0:*")]
    [InlineData("connect a.x:7-7", "connect a.x:7")]
    public void Asks_in_one_spelling(string text, string canonical) => Assert.Equal(canonical, CapabilityRequest.Parse(text).ToString());

    [Theory]
    [InlineData("api.example.com.", "connect api.example.com:443")]
    [InlineData("API.example.com", "connect api.example.com:443")]
    [InlineData("::ffff:10.0.0.1", "connect 10.0.0.1:443")]
    [InlineData("[2001:db8::1]", "connect [2001:db8::1]:443")]
    [InlineData("2001:db8::1", "connect [2001:db8::1]:443")]
    public void A_host_and_a_port_are_a_target(string host, string text)
    {
        Assert.True(ConnectTarget.TryCreate(host, 443, TransportProtocol.Tcp, out var target, out _));
        Assert.Equal(text, new CapabilityRequest.Connect(target).ToString());
    }

    [Theory]
    [InlineData("api.example.com..", 443)]
    [InlineData("", 443)]
    [InlineData(".", 443)]
    [InlineData("fe80::1%1", 443)]
    [InlineData("api.example.com", 0)]
    [InlineData("api.example.com", 65_536)]
    [InlineData("127.1", 443)]
    [InlineData("\u212a.example", 443)]
    public void A_host_that_could_be_read_in_two_ways_is_none(string host, int port) =>
        Assert.False(ConnectTarget.TryCreate(host, port, TransportProtocol.Tcp, out _, out _));

    [Theory]
    [InlineData("import wasi:io/*@0.2.0", "names more than one interface")]
    [InlineData("import \"wasi:io/poll@*\"", "is not an import")]
    [InlineData("import wasi:io/poll@*", "names more than one interface")]
    public void A_request_names_one_interface(string text, string why)
    {
        Assert.False(CapabilityRequest.TryParse(text, out _, out var problem));
        Assert.Contains(why, problem, StringComparison.Ordinal);
    }

    private static string Item(Capability capability) => capability.ToYaml() is var yaml && (yaml.StartsWith('{') || !yaml.Contains(':', StringComparison.Ordinal)) ? yaml : $"{{ {yaml} }}";
}
