using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Identity.Tests.Server.DecisionPoints;

/// <summary>A file of the data folder that takes no row any more.</summary>
internal static class BrokenFile
{
    public static void Break(DecisionWorld world, string name, string table)
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(world.Server.DataFolder, name)};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = $"CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'it is broken'); END";
        command.ExecuteNonQuery();
    }

    /// <summary>Why a door is not healthy; null when it is.</summary>
    public static async Task<string?> IllnessAsync(DecisionWorld world, string door)
    {
        var report = await world.Server.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        // What one door cannot keep makes nothing else ill.
        Assert.Equal(HealthStatus.Healthy, report.Entries["ledger"].Status);
        var entry = report.Entries[$"identity.v1.DecisionPoint.{door}"];
        return entry.Status == HealthStatus.Healthy ? null : entry.Description;
    }
}
