#!/usr/bin/env bash
# Packs Spiffe.Net and Spiffe.Net.WorkloadApi, installs them from a local feed into a fresh project outside this build, and compiles the
# quickstart client there ahead of time, with every warning an error. QuickstartTests runs what comes out of it. Needs clang, lld and zlib's headers.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
out="$PWD/artifacts/package-smoke"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
for tool in clang ld.lld; do
  command -v "$tool" >/dev/null || { echo "package-smoke: skipped: $tool is not on PATH (Debian: clang, lld, zlib1g-dev)." >&2; exit 77; }
done

# A version of its own, so that no cache serves an older package.
version="0.0.1-smoke.$(date +%s)"
rm -rf "$out"
mkdir -p "$out/feed" "$out/project"
for project in Spiffe.Net Spiffe.Net.WorkloadApi; do
  dotnet pack "src/$project" -c Release -p:Version="$version" -o "$out/feed" -v quiet -nodeReuse:false
done

cp deploy/samples/quickstart/Client/Program.cs "$out/project/"
# Empty ones: this repository's do not reach a project that lies inside it.
for name in Directory.Build.props Directory.Build.targets Directory.Packages.props; do echo '<Project />' >"$out/project/$name"; done
cat >"$out/project/nuget.config" <<XML
<configuration>
  <packageSources><add key="smoke" value="$out/feed" /></packageSources>
</configuration>
XML
cat >"$out/project/quickstart-client.csproj" <<XML
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
    <PublishAot>true</PublishAot>
    <InvariantGlobalization>true</InvariantGlobalization>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
    <TrimmerSingleWarn>false</TrimmerSingleWarn>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Spiffe.Net.WorkloadApi" Version="$version" />
  </ItemGroup>
</Project>
XML
dotnet publish "$out/project" -c Release -r linux-x64 -o "$out/publish" -v quiet -nodeReuse:false -p:LinkerFlavor=lld
rm -rf "${NUGET_PACKAGES:-$HOME/.nuget/packages}"/spiffe.net{,.workloadapi}/"$version"
stat -c 'package-smoke: %n, %s bytes' "$out/publish/quickstart-client"
