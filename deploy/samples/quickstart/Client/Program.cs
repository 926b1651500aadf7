using Spiffe.Net;
using Spiffe.Net.WorkloadApi;

await using var source = await X509Source.CreateAsync();
var server = AuthorizedPeers.Exactly(SpiffeId.Parse("spiffe://example.org/server"));
using var http = new HttpClient(SpiffeTls.CreateHandler(source, server));
Console.WriteLine(await http.GetStringAsync(new Uri(args[0])));
