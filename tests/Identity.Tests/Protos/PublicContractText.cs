namespace Identity.Tests.Protos;

/// <summary>
/// Every method, field and number of the public contracts under <c>proto/</c>, compared with the sources' own definitions when it was
/// written. A line changes only together with its source's revision in <c>proto/README.md</c>.
/// </summary>
internal static class PublicContractText
{
    public const string Pinned =
        """
        package istio.v1.auth
        rpc /istio.v1.auth.IstioCertificateService/CreateCertificate(istio.v1.auth.IstioCertificateRequest) returns (istio.v1.auth.IstioCertificateResponse)
        istio.v1.auth.IstioCertificateRequest.csr = 1 string
        istio.v1.auth.IstioCertificateRequest.validity_duration = 3 int64
        istio.v1.auth.IstioCertificateRequest.metadata = 4 google.protobuf.Struct
        istio.v1.auth.IstioCertificateResponse.cert_chain = 1 repeated string
        package spiffe.broker
        rpc /spiffe.broker.API/SubscribeToX509SVID(spiffe.broker.SubscribeToX509SVIDRequest) returns (stream spiffe.broker.SubscribeToX509SVIDResponse)
        rpc /spiffe.broker.API/SubscribeToX509Bundles(spiffe.broker.SubscribeToX509BundlesRequest) returns (stream spiffe.broker.SubscribeToX509BundlesResponse)
        rpc /spiffe.broker.API/FetchJWTSVID(spiffe.broker.FetchJWTSVIDRequest) returns (spiffe.broker.FetchJWTSVIDResponse)
        rpc /spiffe.broker.API/SubscribeToJWTBundles(spiffe.broker.SubscribeToJWTBundlesRequest) returns (stream spiffe.broker.SubscribeToJWTBundlesResponse)
        spiffe.broker.WorkloadReference.reference = 1 google.protobuf.Any
        spiffe.broker.WorkloadPIDReference.pid = 1 int32
        spiffe.broker.KubernetesObjectType.plural = 1 string
        spiffe.broker.KubernetesObjectType.group = 2 string
        spiffe.broker.KubernetesObjectKey.namespace = 1 string
        spiffe.broker.KubernetesObjectKey.name = 2 string
        spiffe.broker.KubernetesObjectReference.type = 1 spiffe.broker.KubernetesObjectType
        spiffe.broker.KubernetesObjectReference.key = 2 spiffe.broker.KubernetesObjectKey
        spiffe.broker.KubernetesObjectReference.uid = 3 string
        spiffe.broker.SubscribeToX509SVIDRequest.reference = 1 spiffe.broker.WorkloadReference
        spiffe.broker.SubscribeToX509SVIDResponse.svids = 1 repeated spiffe.broker.X509SVID
        spiffe.broker.SubscribeToX509SVIDResponse.crl = 2 repeated bytes
        spiffe.broker.SubscribeToX509SVIDResponse.federated_bundles = 3 repeated spiffe.broker.SubscribeToX509SVIDResponse.FederatedBundlesEntry
        spiffe.broker.SubscribeToX509SVIDResponse.FederatedBundlesEntry.key = 1 string
        spiffe.broker.SubscribeToX509SVIDResponse.FederatedBundlesEntry.value = 2 bytes
        spiffe.broker.X509SVID.spiffe_id = 1 string
        spiffe.broker.X509SVID.x509_svid = 2 bytes
        spiffe.broker.X509SVID.x509_svid_key = 3 bytes
        spiffe.broker.X509SVID.bundle = 4 bytes
        spiffe.broker.X509SVID.hint = 5 string
        spiffe.broker.SubscribeToX509BundlesRequest.reference = 1 spiffe.broker.WorkloadReference
        spiffe.broker.SubscribeToX509BundlesResponse.crl = 1 repeated bytes
        spiffe.broker.SubscribeToX509BundlesResponse.bundles = 2 repeated spiffe.broker.SubscribeToX509BundlesResponse.BundlesEntry
        spiffe.broker.SubscribeToX509BundlesResponse.BundlesEntry.key = 1 string
        spiffe.broker.SubscribeToX509BundlesResponse.BundlesEntry.value = 2 bytes
        spiffe.broker.FetchJWTSVIDRequest.reference = 1 spiffe.broker.WorkloadReference
        spiffe.broker.FetchJWTSVIDRequest.audience = 2 repeated string
        spiffe.broker.FetchJWTSVIDRequest.spiffe_id = 3 string
        spiffe.broker.FetchJWTSVIDResponse.svids = 1 repeated spiffe.broker.JWTSVID
        spiffe.broker.JWTSVID.spiffe_id = 1 string
        spiffe.broker.JWTSVID.svid = 2 string
        spiffe.broker.JWTSVID.hint = 3 string
        spiffe.broker.SubscribeToJWTBundlesRequest.reference = 1 spiffe.broker.WorkloadReference
        spiffe.broker.SubscribeToJWTBundlesResponse.bundles = 1 repeated spiffe.broker.SubscribeToJWTBundlesResponse.BundlesEntry
        spiffe.broker.SubscribeToJWTBundlesResponse.BundlesEntry.key = 1 string
        spiffe.broker.SubscribeToJWTBundlesResponse.BundlesEntry.value = 2 bytes
        package (none)
        rpc /SpiffeWorkloadAPI/FetchX509SVID(X509SVIDRequest) returns (stream X509SVIDResponse)
        rpc /SpiffeWorkloadAPI/FetchX509Bundles(X509BundlesRequest) returns (stream X509BundlesResponse)
        rpc /SpiffeWorkloadAPI/FetchJWTSVID(JWTSVIDRequest) returns (JWTSVIDResponse)
        rpc /SpiffeWorkloadAPI/FetchJWTBundles(JWTBundlesRequest) returns (stream JWTBundlesResponse)
        rpc /SpiffeWorkloadAPI/ValidateJWTSVID(ValidateJWTSVIDRequest) returns (ValidateJWTSVIDResponse)
        rpc /SpiffeWorkloadAPI/FetchWITSVID(WITSVIDRequest) returns (stream WITSVIDResponse)
        rpc /SpiffeWorkloadAPI/FetchWITBundles(WITBundlesRequest) returns (stream WITBundlesResponse)
        X509SVIDResponse.svids = 1 repeated X509SVID
        X509SVIDResponse.crl = 2 repeated bytes
        X509SVIDResponse.federated_bundles = 3 repeated X509SVIDResponse.FederatedBundlesEntry
        X509SVIDResponse.FederatedBundlesEntry.key = 1 string
        X509SVIDResponse.FederatedBundlesEntry.value = 2 bytes
        X509SVID.spiffe_id = 1 string
        X509SVID.x509_svid = 2 bytes
        X509SVID.x509_svid_key = 3 bytes
        X509SVID.bundle = 4 bytes
        X509SVID.hint = 5 string
        X509BundlesResponse.crl = 1 repeated bytes
        X509BundlesResponse.bundles = 2 repeated X509BundlesResponse.BundlesEntry
        X509BundlesResponse.BundlesEntry.key = 1 string
        X509BundlesResponse.BundlesEntry.value = 2 bytes
        JWTSVIDRequest.audience = 1 repeated string
        JWTSVIDRequest.spiffe_id = 2 string
        JWTSVIDResponse.svids = 1 repeated JWTSVID
        JWTSVID.spiffe_id = 1 string
        JWTSVID.svid = 2 string
        JWTSVID.hint = 3 string
        JWTBundlesResponse.bundles = 1 repeated JWTBundlesResponse.BundlesEntry
        JWTBundlesResponse.BundlesEntry.key = 1 string
        JWTBundlesResponse.BundlesEntry.value = 2 bytes
        ValidateJWTSVIDRequest.audience = 1 string
        ValidateJWTSVIDRequest.svid = 2 string
        ValidateJWTSVIDResponse.spiffe_id = 1 string
        ValidateJWTSVIDResponse.claims = 2 google.protobuf.Struct
        WITSVIDRequest.spiffe_id = 1 string
        WITSVIDResponse.svids = 1 repeated WITSVID
        WITSVID.spiffe_id = 1 string
        WITSVID.wit_svid = 2 string
        WITSVID.wit_svid_key = 3 string
        WITSVID.hint = 4 string
        WITBundlesResponse.bundles = 1 repeated WITBundlesResponse.BundlesEntry
        WITBundlesResponse.BundlesEntry.key = 1 string
        WITBundlesResponse.BundlesEntry.value = 2 string
        package spire.api.server.agent.v1
        rpc /spire.api.server.agent.v1.Agent/CountAgents(spire.api.server.agent.v1.CountAgentsRequest) returns (spire.api.server.agent.v1.CountAgentsResponse)
        rpc /spire.api.server.agent.v1.Agent/ListAgents(spire.api.server.agent.v1.ListAgentsRequest) returns (spire.api.server.agent.v1.ListAgentsResponse)
        rpc /spire.api.server.agent.v1.Agent/GetAgent(spire.api.server.agent.v1.GetAgentRequest) returns (spire.api.types.Agent)
        rpc /spire.api.server.agent.v1.Agent/DeleteAgent(spire.api.server.agent.v1.DeleteAgentRequest) returns (google.protobuf.Empty)
        rpc /spire.api.server.agent.v1.Agent/BanAgent(spire.api.server.agent.v1.BanAgentRequest) returns (google.protobuf.Empty)
        rpc /spire.api.server.agent.v1.Agent/AttestAgent(stream spire.api.server.agent.v1.AttestAgentRequest) returns (stream spire.api.server.agent.v1.AttestAgentResponse)
        rpc /spire.api.server.agent.v1.Agent/RenewAgent(spire.api.server.agent.v1.RenewAgentRequest) returns (spire.api.server.agent.v1.RenewAgentResponse)
        rpc /spire.api.server.agent.v1.Agent/CreateJoinToken(spire.api.server.agent.v1.CreateJoinTokenRequest) returns (spire.api.types.JoinToken)
        rpc /spire.api.server.agent.v1.Agent/PostStatus(spire.api.server.agent.v1.PostStatusRequest) returns (spire.api.server.agent.v1.PostStatusResponse)
        spire.api.server.agent.v1.CountAgentsRequest.filter = 1 spire.api.server.agent.v1.CountAgentsRequest.Filter
        spire.api.server.agent.v1.CountAgentsRequest.Filter.by_attestation_type = 1 string
        spire.api.server.agent.v1.CountAgentsRequest.Filter.by_selector_match = 2 spire.api.types.SelectorMatch
        spire.api.server.agent.v1.CountAgentsRequest.Filter.by_banned = 3 google.protobuf.BoolValue
        spire.api.server.agent.v1.CountAgentsRequest.Filter.by_can_reattest = 4 google.protobuf.BoolValue
        spire.api.server.agent.v1.CountAgentsRequest.Filter.by_expires_before = 5 string
        spire.api.server.agent.v1.CountAgentsResponse.count = 1 int32
        spire.api.server.agent.v1.ListAgentsRequest.filter = 1 spire.api.server.agent.v1.ListAgentsRequest.Filter
        spire.api.server.agent.v1.ListAgentsRequest.output_mask = 2 spire.api.types.AgentMask
        spire.api.server.agent.v1.ListAgentsRequest.page_size = 3 int32
        spire.api.server.agent.v1.ListAgentsRequest.page_token = 4 string
        spire.api.server.agent.v1.ListAgentsRequest.Filter.by_attestation_type = 1 string
        spire.api.server.agent.v1.ListAgentsRequest.Filter.by_selector_match = 2 spire.api.types.SelectorMatch
        spire.api.server.agent.v1.ListAgentsRequest.Filter.by_banned = 3 google.protobuf.BoolValue
        spire.api.server.agent.v1.ListAgentsRequest.Filter.by_can_reattest = 4 google.protobuf.BoolValue
        spire.api.server.agent.v1.ListAgentsRequest.Filter.by_expires_before = 5 string
        spire.api.server.agent.v1.ListAgentsResponse.agents = 1 repeated spire.api.types.Agent
        spire.api.server.agent.v1.ListAgentsResponse.next_page_token = 2 string
        spire.api.server.agent.v1.GetAgentRequest.id = 1 spire.api.types.SPIFFEID
        spire.api.server.agent.v1.GetAgentRequest.output_mask = 2 spire.api.types.AgentMask
        spire.api.server.agent.v1.DeleteAgentRequest.id = 1 spire.api.types.SPIFFEID
        spire.api.server.agent.v1.BanAgentRequest.id = 1 spire.api.types.SPIFFEID
        spire.api.server.agent.v1.AttestAgentRequest.params = 1 oneof step spire.api.server.agent.v1.AttestAgentRequest.Params
        spire.api.server.agent.v1.AttestAgentRequest.challenge_response = 2 oneof step bytes
        spire.api.server.agent.v1.AttestAgentRequest.Params.data = 1 spire.api.types.AttestationData
        spire.api.server.agent.v1.AttestAgentRequest.Params.params = 2 spire.api.server.agent.v1.AgentX509SVIDParams
        spire.api.server.agent.v1.AttestAgentResponse.result = 1 oneof step spire.api.server.agent.v1.AttestAgentResponse.Result
        spire.api.server.agent.v1.AttestAgentResponse.challenge = 2 oneof step bytes
        spire.api.server.agent.v1.AttestAgentResponse.Result.svid = 1 spire.api.types.X509SVID
        spire.api.server.agent.v1.AttestAgentResponse.Result.reattestable = 2 bool
        spire.api.server.agent.v1.RenewAgentRequest.params = 1 spire.api.server.agent.v1.AgentX509SVIDParams
        spire.api.server.agent.v1.RenewAgentResponse.svid = 1 spire.api.types.X509SVID
        spire.api.server.agent.v1.CreateJoinTokenRequest.ttl = 1 int32
        spire.api.server.agent.v1.CreateJoinTokenRequest.token = 2 string
        spire.api.server.agent.v1.CreateJoinTokenRequest.agent_id = 3 spire.api.types.SPIFFEID
        spire.api.server.agent.v1.AgentX509SVIDParams.csr = 1 bytes
        spire.api.server.agent.v1.PostStatusRequest.current_bundle_serial = 1 uint64
        spire.api.server.agent.v1.PostStatusRequest.agent_version = 2 string
        package spire.api.server.bundle.v1
        rpc /spire.api.server.bundle.v1.Bundle/CountBundles(spire.api.server.bundle.v1.CountBundlesRequest) returns (spire.api.server.bundle.v1.CountBundlesResponse)
        rpc /spire.api.server.bundle.v1.Bundle/GetBundle(spire.api.server.bundle.v1.GetBundleRequest) returns (spire.api.types.Bundle)
        rpc /spire.api.server.bundle.v1.Bundle/AppendBundle(spire.api.server.bundle.v1.AppendBundleRequest) returns (spire.api.types.Bundle)
        rpc /spire.api.server.bundle.v1.Bundle/PublishJWTAuthority(spire.api.server.bundle.v1.PublishJWTAuthorityRequest) returns (spire.api.server.bundle.v1.PublishJWTAuthorityResponse)
        rpc /spire.api.server.bundle.v1.Bundle/PublishWITAuthority(spire.api.server.bundle.v1.PublishWITAuthorityRequest) returns (spire.api.server.bundle.v1.PublishWITAuthorityResponse)
        rpc /spire.api.server.bundle.v1.Bundle/ListFederatedBundles(spire.api.server.bundle.v1.ListFederatedBundlesRequest) returns (spire.api.server.bundle.v1.ListFederatedBundlesResponse)
        rpc /spire.api.server.bundle.v1.Bundle/GetFederatedBundle(spire.api.server.bundle.v1.GetFederatedBundleRequest) returns (spire.api.types.Bundle)
        rpc /spire.api.server.bundle.v1.Bundle/BatchCreateFederatedBundle(spire.api.server.bundle.v1.BatchCreateFederatedBundleRequest) returns (spire.api.server.bundle.v1.BatchCreateFederatedBundleResponse)
        rpc /spire.api.server.bundle.v1.Bundle/BatchUpdateFederatedBundle(spire.api.server.bundle.v1.BatchUpdateFederatedBundleRequest) returns (spire.api.server.bundle.v1.BatchUpdateFederatedBundleResponse)
        rpc /spire.api.server.bundle.v1.Bundle/BatchSetFederatedBundle(spire.api.server.bundle.v1.BatchSetFederatedBundleRequest) returns (spire.api.server.bundle.v1.BatchSetFederatedBundleResponse)
        rpc /spire.api.server.bundle.v1.Bundle/BatchDeleteFederatedBundle(spire.api.server.bundle.v1.BatchDeleteFederatedBundleRequest) returns (spire.api.server.bundle.v1.BatchDeleteFederatedBundleResponse)
        spire.api.server.bundle.v1.CountBundlesResponse.count = 1 int32
        spire.api.server.bundle.v1.GetBundleRequest.output_mask = 1 spire.api.types.BundleMask
        spire.api.server.bundle.v1.AppendBundleRequest.x509_authorities = 1 repeated spire.api.types.X509Certificate
        spire.api.server.bundle.v1.AppendBundleRequest.jwt_authorities = 2 repeated spire.api.types.JWTKey
        spire.api.server.bundle.v1.AppendBundleRequest.output_mask = 3 spire.api.types.BundleMask
        spire.api.server.bundle.v1.AppendBundleRequest.wit_authorities = 4 repeated spire.api.types.WITKey
        spire.api.server.bundle.v1.PublishJWTAuthorityRequest.jwt_authority = 1 spire.api.types.JWTKey
        spire.api.server.bundle.v1.PublishJWTAuthorityResponse.jwt_authorities = 1 repeated spire.api.types.JWTKey
        spire.api.server.bundle.v1.PublishWITAuthorityRequest.wit_authority = 1 spire.api.types.WITKey
        spire.api.server.bundle.v1.PublishWITAuthorityResponse.wit_authorities = 1 repeated spire.api.types.WITKey
        spire.api.server.bundle.v1.ListFederatedBundlesRequest.output_mask = 1 spire.api.types.BundleMask
        spire.api.server.bundle.v1.ListFederatedBundlesRequest.page_size = 2 int32
        spire.api.server.bundle.v1.ListFederatedBundlesRequest.page_token = 3 string
        spire.api.server.bundle.v1.ListFederatedBundlesResponse.bundles = 1 repeated spire.api.types.Bundle
        spire.api.server.bundle.v1.ListFederatedBundlesResponse.next_page_token = 2 string
        spire.api.server.bundle.v1.GetFederatedBundleRequest.trust_domain = 1 string
        spire.api.server.bundle.v1.GetFederatedBundleRequest.output_mask = 2 spire.api.types.BundleMask
        spire.api.server.bundle.v1.BatchCreateFederatedBundleRequest.bundle = 1 repeated spire.api.types.Bundle
        spire.api.server.bundle.v1.BatchCreateFederatedBundleRequest.output_mask = 2 spire.api.types.BundleMask
        spire.api.server.bundle.v1.BatchCreateFederatedBundleResponse.results = 1 repeated spire.api.server.bundle.v1.BatchCreateFederatedBundleResponse.Result
        spire.api.server.bundle.v1.BatchCreateFederatedBundleResponse.Result.status = 1 spire.api.types.Status
        spire.api.server.bundle.v1.BatchCreateFederatedBundleResponse.Result.bundle = 2 spire.api.types.Bundle
        spire.api.server.bundle.v1.BatchUpdateFederatedBundleRequest.bundle = 1 repeated spire.api.types.Bundle
        spire.api.server.bundle.v1.BatchUpdateFederatedBundleRequest.input_mask = 2 spire.api.types.BundleMask
        spire.api.server.bundle.v1.BatchUpdateFederatedBundleRequest.output_mask = 3 spire.api.types.BundleMask
        spire.api.server.bundle.v1.BatchUpdateFederatedBundleResponse.results = 1 repeated spire.api.server.bundle.v1.BatchUpdateFederatedBundleResponse.Result
        spire.api.server.bundle.v1.BatchUpdateFederatedBundleResponse.Result.status = 1 spire.api.types.Status
        spire.api.server.bundle.v1.BatchUpdateFederatedBundleResponse.Result.bundle = 2 spire.api.types.Bundle
        spire.api.server.bundle.v1.BatchSetFederatedBundleRequest.bundle = 1 repeated spire.api.types.Bundle
        spire.api.server.bundle.v1.BatchSetFederatedBundleRequest.output_mask = 2 spire.api.types.BundleMask
        spire.api.server.bundle.v1.BatchSetFederatedBundleResponse.results = 1 repeated spire.api.server.bundle.v1.BatchSetFederatedBundleResponse.Result
        spire.api.server.bundle.v1.BatchSetFederatedBundleResponse.Result.status = 1 spire.api.types.Status
        spire.api.server.bundle.v1.BatchSetFederatedBundleResponse.Result.bundle = 2 spire.api.types.Bundle
        spire.api.server.bundle.v1.BatchDeleteFederatedBundleRequest.trust_domains = 1 repeated string
        spire.api.server.bundle.v1.BatchDeleteFederatedBundleRequest.mode = 2 spire.api.server.bundle.v1.BatchDeleteFederatedBundleRequest.Mode
        spire.api.server.bundle.v1.BatchDeleteFederatedBundleRequest.Mode.RESTRICT = 0
        spire.api.server.bundle.v1.BatchDeleteFederatedBundleRequest.Mode.DELETE = 1
        spire.api.server.bundle.v1.BatchDeleteFederatedBundleRequest.Mode.DISSOCIATE = 2
        spire.api.server.bundle.v1.BatchDeleteFederatedBundleResponse.results = 1 repeated spire.api.server.bundle.v1.BatchDeleteFederatedBundleResponse.Result
        spire.api.server.bundle.v1.BatchDeleteFederatedBundleResponse.Result.status = 1 spire.api.types.Status
        spire.api.server.bundle.v1.BatchDeleteFederatedBundleResponse.Result.trust_domain = 2 string
        package spire.api.server.entry.v1
        rpc /spire.api.server.entry.v1.Entry/CountEntries(spire.api.server.entry.v1.CountEntriesRequest) returns (spire.api.server.entry.v1.CountEntriesResponse)
        rpc /spire.api.server.entry.v1.Entry/ListEntries(spire.api.server.entry.v1.ListEntriesRequest) returns (spire.api.server.entry.v1.ListEntriesResponse)
        rpc /spire.api.server.entry.v1.Entry/GetEntry(spire.api.server.entry.v1.GetEntryRequest) returns (spire.api.types.Entry)
        rpc /spire.api.server.entry.v1.Entry/BatchCreateEntry(spire.api.server.entry.v1.BatchCreateEntryRequest) returns (spire.api.server.entry.v1.BatchCreateEntryResponse)
        rpc /spire.api.server.entry.v1.Entry/BatchUpdateEntry(spire.api.server.entry.v1.BatchUpdateEntryRequest) returns (spire.api.server.entry.v1.BatchUpdateEntryResponse)
        rpc /spire.api.server.entry.v1.Entry/BatchDeleteEntry(spire.api.server.entry.v1.BatchDeleteEntryRequest) returns (spire.api.server.entry.v1.BatchDeleteEntryResponse)
        rpc /spire.api.server.entry.v1.Entry/GetAuthorizedEntries(spire.api.server.entry.v1.GetAuthorizedEntriesRequest) returns (spire.api.server.entry.v1.GetAuthorizedEntriesResponse)
        rpc /spire.api.server.entry.v1.Entry/SyncAuthorizedEntries(stream spire.api.server.entry.v1.SyncAuthorizedEntriesRequest) returns (stream spire.api.server.entry.v1.SyncAuthorizedEntriesResponse)
        spire.api.server.entry.v1.CountEntriesRequest.filter = 1 spire.api.server.entry.v1.CountEntriesRequest.Filter
        spire.api.server.entry.v1.CountEntriesRequest.Filter.by_spiffe_id = 1 spire.api.types.SPIFFEID
        spire.api.server.entry.v1.CountEntriesRequest.Filter.by_parent_id = 2 spire.api.types.SPIFFEID
        spire.api.server.entry.v1.CountEntriesRequest.Filter.by_selectors = 3 spire.api.types.SelectorMatch
        spire.api.server.entry.v1.CountEntriesRequest.Filter.by_federates_with = 4 spire.api.types.FederatesWithMatch
        spire.api.server.entry.v1.CountEntriesRequest.Filter.by_hint = 5 google.protobuf.StringValue
        spire.api.server.entry.v1.CountEntriesRequest.Filter.by_downstream = 6 google.protobuf.BoolValue
        spire.api.server.entry.v1.CountEntriesResponse.count = 1 int32
        spire.api.server.entry.v1.ListEntriesRequest.filter = 1 spire.api.server.entry.v1.ListEntriesRequest.Filter
        spire.api.server.entry.v1.ListEntriesRequest.output_mask = 2 spire.api.types.EntryMask
        spire.api.server.entry.v1.ListEntriesRequest.page_size = 3 int32
        spire.api.server.entry.v1.ListEntriesRequest.page_token = 4 string
        spire.api.server.entry.v1.ListEntriesRequest.Filter.by_spiffe_id = 1 spire.api.types.SPIFFEID
        spire.api.server.entry.v1.ListEntriesRequest.Filter.by_parent_id = 2 spire.api.types.SPIFFEID
        spire.api.server.entry.v1.ListEntriesRequest.Filter.by_selectors = 3 spire.api.types.SelectorMatch
        spire.api.server.entry.v1.ListEntriesRequest.Filter.by_federates_with = 4 spire.api.types.FederatesWithMatch
        spire.api.server.entry.v1.ListEntriesRequest.Filter.by_hint = 5 google.protobuf.StringValue
        spire.api.server.entry.v1.ListEntriesRequest.Filter.by_downstream = 6 google.protobuf.BoolValue
        spire.api.server.entry.v1.ListEntriesResponse.entries = 1 repeated spire.api.types.Entry
        spire.api.server.entry.v1.ListEntriesResponse.next_page_token = 2 string
        spire.api.server.entry.v1.GetEntryRequest.id = 1 string
        spire.api.server.entry.v1.GetEntryRequest.output_mask = 2 spire.api.types.EntryMask
        spire.api.server.entry.v1.BatchCreateEntryRequest.entries = 1 repeated spire.api.types.Entry
        spire.api.server.entry.v1.BatchCreateEntryRequest.output_mask = 2 spire.api.types.EntryMask
        spire.api.server.entry.v1.BatchCreateEntryResponse.results = 1 repeated spire.api.server.entry.v1.BatchCreateEntryResponse.Result
        spire.api.server.entry.v1.BatchCreateEntryResponse.Result.status = 1 spire.api.types.Status
        spire.api.server.entry.v1.BatchCreateEntryResponse.Result.entry = 2 spire.api.types.Entry
        spire.api.server.entry.v1.BatchUpdateEntryRequest.entries = 1 repeated spire.api.types.Entry
        spire.api.server.entry.v1.BatchUpdateEntryRequest.input_mask = 2 spire.api.types.EntryMask
        spire.api.server.entry.v1.BatchUpdateEntryRequest.output_mask = 3 spire.api.types.EntryMask
        spire.api.server.entry.v1.BatchUpdateEntryResponse.results = 1 repeated spire.api.server.entry.v1.BatchUpdateEntryResponse.Result
        spire.api.server.entry.v1.BatchUpdateEntryResponse.Result.status = 1 spire.api.types.Status
        spire.api.server.entry.v1.BatchUpdateEntryResponse.Result.entry = 2 spire.api.types.Entry
        spire.api.server.entry.v1.BatchDeleteEntryRequest.ids = 1 repeated string
        spire.api.server.entry.v1.BatchDeleteEntryResponse.results = 1 repeated spire.api.server.entry.v1.BatchDeleteEntryResponse.Result
        spire.api.server.entry.v1.BatchDeleteEntryResponse.Result.status = 1 spire.api.types.Status
        spire.api.server.entry.v1.BatchDeleteEntryResponse.Result.id = 2 string
        spire.api.server.entry.v1.GetAuthorizedEntriesRequest.output_mask = 1 spire.api.types.EntryMask
        spire.api.server.entry.v1.GetAuthorizedEntriesResponse.entries = 1 repeated spire.api.types.Entry
        spire.api.server.entry.v1.SyncAuthorizedEntriesRequest.output_mask = 1 spire.api.types.EntryMask
        spire.api.server.entry.v1.SyncAuthorizedEntriesRequest.ids = 2 repeated string
        spire.api.server.entry.v1.SyncAuthorizedEntriesResponse.entry_revisions = 1 repeated spire.api.server.entry.v1.EntryRevision
        spire.api.server.entry.v1.SyncAuthorizedEntriesResponse.entries = 2 repeated spire.api.types.Entry
        spire.api.server.entry.v1.SyncAuthorizedEntriesResponse.more = 3 bool
        spire.api.server.entry.v1.EntryRevision.id = 1 string
        spire.api.server.entry.v1.EntryRevision.revision_number = 2 int64
        spire.api.server.entry.v1.EntryRevision.created_at = 3 int64
        package spire.api.server.svid.v1
        rpc /spire.api.server.svid.v1.SVID/MintX509SVID(spire.api.server.svid.v1.MintX509SVIDRequest) returns (spire.api.server.svid.v1.MintX509SVIDResponse)
        rpc /spire.api.server.svid.v1.SVID/MintJWTSVID(spire.api.server.svid.v1.MintJWTSVIDRequest) returns (spire.api.server.svid.v1.MintJWTSVIDResponse)
        rpc /spire.api.server.svid.v1.SVID/MintWITSVID(spire.api.server.svid.v1.MintWITSVIDRequest) returns (spire.api.server.svid.v1.MintWITSVIDResponse)
        rpc /spire.api.server.svid.v1.SVID/BatchNewX509SVID(spire.api.server.svid.v1.BatchNewX509SVIDRequest) returns (spire.api.server.svid.v1.BatchNewX509SVIDResponse)
        rpc /spire.api.server.svid.v1.SVID/NewJWTSVID(spire.api.server.svid.v1.NewJWTSVIDRequest) returns (spire.api.server.svid.v1.NewJWTSVIDResponse)
        rpc /spire.api.server.svid.v1.SVID/BatchNewWITSVID(spire.api.server.svid.v1.BatchNewWITSVIDRequest) returns (spire.api.server.svid.v1.BatchNewWITSVIDResponse)
        rpc /spire.api.server.svid.v1.SVID/NewDownstreamX509CA(spire.api.server.svid.v1.NewDownstreamX509CARequest) returns (spire.api.server.svid.v1.NewDownstreamX509CAResponse)
        spire.api.server.svid.v1.MintX509SVIDRequest.csr = 1 bytes
        spire.api.server.svid.v1.MintX509SVIDRequest.ttl = 2 int32
        spire.api.server.svid.v1.MintX509SVIDResponse.svid = 1 spire.api.types.X509SVID
        spire.api.server.svid.v1.MintWITSVIDRequest.id = 1 spire.api.types.SPIFFEID
        spire.api.server.svid.v1.MintWITSVIDRequest.public_key = 2 bytes
        spire.api.server.svid.v1.MintWITSVIDRequest.ttl = 3 int32
        spire.api.server.svid.v1.MintWITSVIDRequest.signing_algorithm = 4 string
        spire.api.server.svid.v1.MintWITSVIDResponse.svid = 1 spire.api.types.WITSVID
        spire.api.server.svid.v1.MintJWTSVIDRequest.id = 1 spire.api.types.SPIFFEID
        spire.api.server.svid.v1.MintJWTSVIDRequest.audience = 2 repeated string
        spire.api.server.svid.v1.MintJWTSVIDRequest.ttl = 3 int32
        spire.api.server.svid.v1.MintJWTSVIDResponse.svid = 1 spire.api.types.JWTSVID
        spire.api.server.svid.v1.BatchNewX509SVIDRequest.params = 1 repeated spire.api.server.svid.v1.NewX509SVIDParams
        spire.api.server.svid.v1.BatchNewX509SVIDResponse.results = 1 repeated spire.api.server.svid.v1.BatchNewX509SVIDResponse.Result
        spire.api.server.svid.v1.BatchNewX509SVIDResponse.Result.status = 1 spire.api.types.Status
        spire.api.server.svid.v1.BatchNewX509SVIDResponse.Result.svid = 2 spire.api.types.X509SVID
        spire.api.server.svid.v1.NewJWTSVIDRequest.entry_id = 1 string
        spire.api.server.svid.v1.NewJWTSVIDRequest.audience = 2 repeated string
        spire.api.server.svid.v1.BatchNewWITSVIDRequest.params = 1 repeated spire.api.server.svid.v1.NewWITSVIDParams
        spire.api.server.svid.v1.BatchNewWITSVIDResponse.results = 1 repeated spire.api.server.svid.v1.BatchNewWITSVIDResponse.Result
        spire.api.server.svid.v1.BatchNewWITSVIDResponse.Result.status = 1 spire.api.types.Status
        spire.api.server.svid.v1.BatchNewWITSVIDResponse.Result.svid = 2 spire.api.types.WITSVID
        spire.api.server.svid.v1.NewJWTSVIDResponse.svid = 1 spire.api.types.JWTSVID
        spire.api.server.svid.v1.NewDownstreamX509CARequest.csr = 1 bytes
        spire.api.server.svid.v1.NewDownstreamX509CARequest.preferred_ttl = 2 int32
        spire.api.server.svid.v1.NewDownstreamX509CAResponse.ca_cert_chain = 1 repeated bytes
        spire.api.server.svid.v1.NewDownstreamX509CAResponse.x509_authorities = 2 repeated bytes
        spire.api.server.svid.v1.NewX509SVIDParams.entry_id = 1 string
        spire.api.server.svid.v1.NewX509SVIDParams.csr = 2 bytes
        spire.api.server.svid.v1.NewWITSVIDParams.entry_id = 1 string
        spire.api.server.svid.v1.NewWITSVIDParams.public_key = 2 bytes
        spire.api.server.svid.v1.NewWITSVIDParams.signing_algorithm = 3 string
        package spire.api.types
        spire.api.types.Agent.id = 1 spire.api.types.SPIFFEID
        spire.api.types.Agent.attestation_type = 2 string
        spire.api.types.Agent.x509svid_serial_number = 3 string
        spire.api.types.Agent.x509svid_expires_at = 4 int64
        spire.api.types.Agent.selectors = 5 repeated spire.api.types.Selector
        spire.api.types.Agent.banned = 6 bool
        spire.api.types.Agent.can_reattest = 7 bool
        spire.api.types.Agent.agent_version = 8 string
        spire.api.types.AgentMask.attestation_type = 2 bool
        spire.api.types.AgentMask.x509svid_serial_number = 3 bool
        spire.api.types.AgentMask.x509svid_expires_at = 4 bool
        spire.api.types.AgentMask.selectors = 5 bool
        spire.api.types.AgentMask.banned = 6 bool
        spire.api.types.AgentMask.can_reattest = 7 bool
        spire.api.types.AgentMask.agent_version = 8 bool
        package spire.api.types
        spire.api.types.AttestationData.type = 1 string
        spire.api.types.AttestationData.payload = 2 bytes
        package spire.api.types
        spire.api.types.Bundle.trust_domain = 1 string
        spire.api.types.Bundle.x509_authorities = 2 repeated spire.api.types.X509Certificate
        spire.api.types.Bundle.jwt_authorities = 3 repeated spire.api.types.JWTKey
        spire.api.types.Bundle.refresh_hint = 4 int64
        spire.api.types.Bundle.sequence_number = 5 uint64
        spire.api.types.Bundle.wit_authorities = 6 repeated spire.api.types.WITKey
        spire.api.types.X509Certificate.asn1 = 1 bytes
        spire.api.types.X509Certificate.tainted = 2 bool
        spire.api.types.JWTKey.public_key = 1 bytes
        spire.api.types.JWTKey.key_id = 2 string
        spire.api.types.JWTKey.expires_at = 3 int64
        spire.api.types.JWTKey.tainted = 4 bool
        spire.api.types.WITKey.public_key = 1 bytes
        spire.api.types.WITKey.key_id = 2 string
        spire.api.types.WITKey.expires_at = 3 int64
        spire.api.types.WITKey.tainted = 4 bool
        spire.api.types.BundleMask.x509_authorities = 2 bool
        spire.api.types.BundleMask.jwt_authorities = 3 bool
        spire.api.types.BundleMask.refresh_hint = 4 bool
        spire.api.types.BundleMask.sequence_number = 5 bool
        spire.api.types.BundleMask.wit_authorities = 6 bool
        package spire.api.types
        spire.api.types.Entry.id = 1 string
        spire.api.types.Entry.spiffe_id = 2 spire.api.types.SPIFFEID
        spire.api.types.Entry.parent_id = 3 spire.api.types.SPIFFEID
        spire.api.types.Entry.selectors = 4 repeated spire.api.types.Selector
        spire.api.types.Entry.x509_svid_ttl = 5 int32
        spire.api.types.Entry.federates_with = 6 repeated string
        spire.api.types.Entry.admin = 7 bool
        spire.api.types.Entry.downstream = 8 bool
        spire.api.types.Entry.expires_at = 9 int64
        spire.api.types.Entry.dns_names = 10 repeated string
        spire.api.types.Entry.revision_number = 11 int64
        spire.api.types.Entry.store_svid = 12 bool
        spire.api.types.Entry.jwt_svid_ttl = 13 int32
        spire.api.types.Entry.hint = 14 string
        spire.api.types.Entry.created_at = 15 int64
        spire.api.types.Entry.additional_attributes = 16 spire.api.types.Entry.AdditionalAttributes
        spire.api.types.Entry.AdditionalAttributes.disable_x509_svid_prefetch = 1 bool
        spire.api.types.Entry.AdditionalAttributes.jwt_svid_include_jti = 2 bool
        spire.api.types.EntryMask.spiffe_id = 2 bool
        spire.api.types.EntryMask.parent_id = 3 bool
        spire.api.types.EntryMask.selectors = 4 bool
        spire.api.types.EntryMask.x509_svid_ttl = 5 bool
        spire.api.types.EntryMask.federates_with = 6 bool
        spire.api.types.EntryMask.admin = 7 bool
        spire.api.types.EntryMask.downstream = 8 bool
        spire.api.types.EntryMask.expires_at = 9 bool
        spire.api.types.EntryMask.dns_names = 10 bool
        spire.api.types.EntryMask.revision_number = 11 bool
        spire.api.types.EntryMask.store_svid = 12 bool
        spire.api.types.EntryMask.jwt_svid_ttl = 13 bool
        spire.api.types.EntryMask.hint = 14 bool
        spire.api.types.EntryMask.created_at = 15 bool
        spire.api.types.EntryMask.additional_attributes = 16 bool
        package spire.api.types
        spire.api.types.FederatesWithMatch.trust_domains = 1 repeated string
        spire.api.types.FederatesWithMatch.match = 2 spire.api.types.FederatesWithMatch.MatchBehavior
        spire.api.types.FederatesWithMatch.MatchBehavior.MATCH_EXACT = 0
        spire.api.types.FederatesWithMatch.MatchBehavior.MATCH_SUBSET = 1
        spire.api.types.FederatesWithMatch.MatchBehavior.MATCH_SUPERSET = 2
        spire.api.types.FederatesWithMatch.MatchBehavior.MATCH_ANY = 3
        package spire.api.types
        spire.api.types.JoinToken.value = 1 string
        spire.api.types.JoinToken.expires_at = 2 int64
        package spire.api.types
        spire.api.types.JWTSVID.token = 1 string
        spire.api.types.JWTSVID.id = 2 spire.api.types.SPIFFEID
        spire.api.types.JWTSVID.expires_at = 3 int64
        spire.api.types.JWTSVID.issued_at = 4 int64
        spire.api.types.JWTSVID.hint = 5 string
        package spire.api.types
        spire.api.types.Selector.type = 1 string
        spire.api.types.Selector.value = 2 string
        spire.api.types.SelectorMatch.selectors = 1 repeated spire.api.types.Selector
        spire.api.types.SelectorMatch.match = 2 spire.api.types.SelectorMatch.MatchBehavior
        spire.api.types.SelectorMatch.MatchBehavior.MATCH_EXACT = 0
        spire.api.types.SelectorMatch.MatchBehavior.MATCH_SUBSET = 1
        spire.api.types.SelectorMatch.MatchBehavior.MATCH_SUPERSET = 2
        spire.api.types.SelectorMatch.MatchBehavior.MATCH_ANY = 3
        package spire.api.types
        spire.api.types.SPIFFEID.trust_domain = 1 string
        spire.api.types.SPIFFEID.path = 2 string
        package spire.api.types
        spire.api.types.Status.code = 1 int32
        spire.api.types.Status.message = 2 string
        spire.api.types.PermissionDeniedDetails.reason = 1 spire.api.types.PermissionDeniedDetails.Reason
        spire.api.types.PermissionDeniedDetails.Reason.UNKNOWN = 0
        spire.api.types.PermissionDeniedDetails.Reason.AGENT_EXPIRED = 1
        spire.api.types.PermissionDeniedDetails.Reason.AGENT_NOT_ATTESTED = 2
        spire.api.types.PermissionDeniedDetails.Reason.AGENT_NOT_ACTIVE = 3
        spire.api.types.PermissionDeniedDetails.Reason.AGENT_BANNED = 4
        spire.api.types.PermissionDeniedDetails.Reason.AGENT_MUST_REATTEST = 5
        package spire.api.types
        spire.api.types.WITSVID.token = 1 string
        spire.api.types.WITSVID.id = 2 spire.api.types.SPIFFEID
        spire.api.types.WITSVID.expires_at = 3 int64
        spire.api.types.WITSVID.issued_at = 4 int64
        spire.api.types.WITSVID.hint = 5 string
        package spire.api.types
        spire.api.types.X509SVID.cert_chain = 1 repeated bytes
        spire.api.types.X509SVID.id = 2 spire.api.types.SPIFFEID
        spire.api.types.X509SVID.expires_at = 3 int64
        spire.api.types.X509SVID.hint = 4 string

        """;
}
