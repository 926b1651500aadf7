// The ledger's records under names that no namespace of this assembly shadows: inside Identity.Server, `Policy`, `Issuance`, `Agent` and `Authority`
// are namespaces.
global using AgentRecord = Identity.Ledger.V1.Agent;
global using AuthorityRecord = Identity.Ledger.V1.Authority;
global using CrlRecord = Identity.Ledger.V1.Crl;
global using IssuanceRecord = Identity.Ledger.V1.Issuance;
global using JoinTokenRecord = Identity.Ledger.V1.JoinToken;
global using PolicyRecord = Identity.Ledger.V1.Policy;
