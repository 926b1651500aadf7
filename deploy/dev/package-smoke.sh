#!/usr/bin/env bash
# Packs Spiffe.Net and Spiffe.Net.WorkloadApi, installs them from a folder into a fresh project outside this build, and compiles the quickstart client there ahead of
# time, with every warning an error. SdkPackageTests and QuickstartTests look at what comes out of it. Needs clang or gcc, and zlib's headers; without them it only packs.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
out="$PWD/artifacts/package-smoke"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

# Nothing to do while nothing has changed that goes into it.
state=$(find src/Spiffe.Net src/Spiffe.Net.WorkloadApi proto/spiffe docs/sdk.md deploy/samples/quickstart/Client Directory.* global.json "$0" -type f -print0 |
  LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
[ "$(cat "$out/state" 2>/dev/null)" != "$state" ] || exit 0

# A version of its own, so that no cache serves an older package.
version="0.0.1-smoke.$(date +%s)"
rm -rf "$out"
mkdir -p "$out/feed" "$out/project"
for project in Spiffe.Net Spiffe.Net.WorkloadApi; do
  dotnet pack "src/$project" -p:Version="$version" -o "$out/feed" -v quiet -nodeReuse:false
done

linker=()
if ! command -v clang >/dev/null; then
  command -v gcc >/dev/null || { echo "package-smoke: packed only: neither clang nor gcc is on PATH (Debian: gcc, zlib1g-dev)." >&2; exit 77; }
  linker=(-p:CppCompilerAndLinker=gcc)
fi

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
dotnet restore "$out/project" -r linux-x64 -v quiet -nodeReuse:false || { echo "package-smoke: packed only: the compiler that works ahead of time cannot be had." >&2; exit 77; }
dotnet publish "$out/project" -c Release -r linux-x64 --no-restore -o "$out/publish" -v quiet -nodeReuse:false "${linker[@]}"
rm -rf "${NUGET_PACKAGES:-$HOME/.nuget/packages}"/spiffe.net{,.workloadapi}/"$version"
echo "$state" >"$out/state"
stat -c 'package-smoke: %n, %s bytes' "$out/publish/quickstart-client"
