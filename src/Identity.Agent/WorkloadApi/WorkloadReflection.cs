using Grpc.Health.V1;
using Grpc.Reflection;
using Spiffe.WorkloadApi.V1;

namespace Identity.Agent.WorkloadApi;

/// <summary>gRPC reflection for the workload socket: exactly what is served there.</summary>
internal sealed class WorkloadReflection() : ReflectionServiceImpl(SpiffeWorkloadAPI.Descriptor, Health.Descriptor);
