using System.Reflection;
using Spiffe.Net;
using Spiffe.Net.WorkloadApi;
using Xunit;

namespace Identity.Tests.SpiffeNet;

/// <summary>Who holds a good verdict holds what a verifier made: nobody else can make one, derive one, or change one.</summary>
public class VerdictTests
{
    private const BindingFlags All = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    public static TheoryData<Type, Type> Verdicts => new()
    {
        { typeof(X509SvidVerification), typeof(X509SvidVerification.Verified) },
        { typeof(JwtSvidVerification), typeof(JwtSvidVerification.Verified) },
        { typeof(WitSvidVerification), typeof(WitSvidVerification.Verified) },
        { typeof(JwtSvidValidation), typeof(JwtSvidValidation.Valid) },
    };

    [Theory]
    [MemberData(nameof(Verdicts))]
    public void No_other_assembly_can_add_a_verdict_to_the_family(Type family, Type good)
    {
        Assert.True(family.IsAbstract);
        Assert.All(family.GetConstructors(All), constructor => Assert.True(constructor.IsPrivate, $"{family.Name} has the constructor {constructor}"));
        Assert.True(good.IsSealed);
        Assert.All(family.GetNestedTypes(), member => Assert.True(member.IsSealed && member.BaseType == family));
    }

    [Theory]
    [MemberData(nameof(Verdicts))]
    public void No_other_assembly_can_make_or_change_the_good_one(Type family, Type good)
    {
        Assert.Equal(family, good.BaseType);
        Assert.All(good.GetConstructors(All), constructor => Assert.True(constructor.IsAssembly || constructor.IsPrivate, $"{good.Name} has the constructor {constructor}"));
        Assert.All(good.GetProperties(All), property => Assert.False(property.CanWrite, $"{property.Name} can be set"));
        Assert.All(good.GetFields(All), field => Assert.True(field.IsInitOnly && field.IsPrivate, $"{field.Name} can be set"));
    }

    [Theory]
    [InlineData(typeof(JwtSvid), typeof(JwtSvidVerification.Verified))]
    [InlineData(typeof(WitSvid), typeof(WitSvidVerification.Verified))]
    [InlineData(typeof(WorkloadProof), typeof(WitSvidVerification.Verified))]
    public void A_token_of_the_type_that_is_believed_comes_from_a_good_verdict_and_from_nowhere_else(Type svid, Type verdict)
    {
        Assert.True(svid.IsSealed);
        Assert.All(svid.GetConstructors(All), constructor => Assert.True(constructor.IsAssembly || constructor.IsPrivate, $"{svid.Name} has the constructor {constructor}"));
        var givers = new[] { typeof(JwtSvid).Assembly, typeof(JwtSource).Assembly }.SelectMany(assembly => assembly.GetExportedTypes())
            .SelectMany(type => type.GetMethods(BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.DeclaredOnly))
            .Where(method => Holds(method.ReturnType, svid) || method.GetParameters().Any(parameter => parameter.IsOut && Holds(parameter.ParameterType, svid)))
            .Select(method => $"{method.DeclaringType!.FullName}.{method.Name}");
        Assert.Equal([$"{verdict.FullName}.get_{(svid == typeof(WorkloadProof) ? "Proof" : "Svid")}"], givers);
    }

    private static bool Holds(Type type, Type sought) =>
        type == sought || (type.HasElementType && Holds(type.GetElementType()!, sought)) || type.GetGenericArguments().Any(argument => Holds(argument, sought));
}
