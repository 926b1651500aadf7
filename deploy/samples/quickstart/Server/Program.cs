using Spiffe.Net;
using Spiffe.Net.WorkloadApi;

await using var source = await X509Source.CreateAsync();
var clients = AuthorizedPeers.Exactly(SpiffeId.Parse("spiffe://example.org/client"));
var builder = WebApplication.CreateBuilder(args);
builder.WebHost.UseSpiffeTls(source, clients);
var app = builder.Build();
app.MapGet("/", (HttpContext http) => $"hello {http.GetPeerSpiffeId()}, this is {source.Svid.Id}");
await app.RunAsync();
