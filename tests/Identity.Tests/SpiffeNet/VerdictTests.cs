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
}
