using Grpc.Health.V1;
using Grpc.Reflection;
using Spiffe.WorkloadApi.V1;

namespace Identity.Agent.WorkloadApi;

/// <summary>gRPC reflection for the workload socket: exactly what is served there.</summary>
internal sealed class WorkloadReflection() : ReflectionV1ServiceImpl(SpiffeWorkloadAPI.Descriptor, Health.Descriptor);

/// <summary>The same by the name that older tools ask for.</summary>
internal sealed class OlderWorkloadReflection() : ReflectionServiceImpl(SpiffeWorkloadAPI.Descriptor, Health.Descriptor);
