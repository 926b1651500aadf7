namespace Identity.Server.DecisionPoints;

/// <summary>By which protocol a question came. A closed list: it labels metrics.</summary>
internal enum DoorName
{
    None = 0,
    Grpc,
    AuthZen,
    WasmCloudPolicyService,
    KubernetesAdmission,
    WasmCloudInterposer,
}

internal static class DoorNames
{
    extension(DoorName door)
    {
        /// <summary>As metrics and the decision log spell it.</summary>
        public string Text => door switch
        {
            DoorName.Grpc => "grpc",
            DoorName.AuthZen => "authzen",
            DoorName.WasmCloudPolicyService => "wasmcloud-policy-service",
            DoorName.KubernetesAdmission => "kubernetes-admission",
            DoorName.WasmCloudInterposer => "wasmcloud-interposer",
            _ => "none",
        };
    }
}
