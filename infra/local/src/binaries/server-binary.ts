/** The server binaries that the stack runs: pinned versions, where each comes from. Data only. */

export type BinaryName = 'temporal' | 'nats-server' | 'stripe-mock';

/** `process.platform`-`process.arch`, as Node names them. */
export type PlatformName = `${string}-${string}`;

export interface ReleaseArchive {
  readonly url: string;
  /** SHA-256 of the archive, 64 lowercase hexadecimal digits. */
  readonly sha256: string;
  /** Path of the binary inside the archive. */
  readonly member: string;
}

export interface ServerBinary {
  /** `vault-server` and `minio` are of tests alone. */
  readonly name: BinaryName | 'vault-server' | 'minio';
  /** Without a leading `v`. */
  readonly version: string;
  readonly pathVariable: string;
  /** What `--version` prints must match this. */
  readonly versionPattern: RegExp;
  readonly goPackage: string;
  readonly goModule: string;
  /** Absolute path of a Go module of our own to build instead of `goPackage`; it requires `goModule`. */
  readonly goFolder?: string;
  /** Go variable that holds the version a build reports, when it needs to be told. */
  readonly goVersionVariable?: string;
  /** How long a build takes on two cores, for the person who waits. */
  readonly buildTakes: string;
  /** Official archives whose checksum is known; a platform that is missing here is never fetched. */
  readonly releases: Readonly<Record<PlatformName, ReleaseArchive>>;
}

function temporalArchive(platform: string, sha256: string): ReleaseArchive {
  return {
    url: `https://github.com/temporalio/cli/releases/download/v1.5.1/temporal_cli_1.5.1_${platform}.tar.gz`,
    sha256,
    member: 'temporal',
  };
}

function natsArchive(platform: string, sha256: string): ReleaseArchive {
  const folder = `nats-server-v2.11.4-${platform}`;
  return {
    url: `https://github.com/nats-io/nats-server/releases/download/v2.11.4/${folder}.tar.gz`,
    sha256,
    member: `${folder}/nats-server`,
  };
}

/**
 * Where the checksums come from: Temporal's, from the manifests of package distributors, which
 * agree wherever there are two; NATS's, from the project's own image definitions (only Linux is
 * published there). stripe-mock has none that could be established, so it is always built.
 */
export const SERVER_BINARIES: Readonly<Record<BinaryName, ServerBinary>> = {
  temporal: {
    name: 'temporal',
    version: '1.5.1',
    pathVariable: 'PORTARIUM_TEMPORAL_BIN',
    versionPattern: /^temporal version 1\.5\.1(\s|$)/m,
    goPackage: 'github.com/temporalio/cli/cmd/temporal',
    goModule: 'github.com/temporalio/cli',
    goVersionVariable: 'github.com/temporalio/cli/temporalcli.Version=1.5.1',
    buildTakes: 'about 5 to 7 minutes on two cores, once',
    releases: {
      'linux-x64': temporalArchive(
        'linux_amd64',
        'ddc95e08b0b076efd4ea9733a3f488eb7d2be875f8834e616cd2a37358b4852d',
      ),
      'linux-arm64': temporalArchive(
        'linux_arm64',
        'bd1b0db9f18b051026de8bf6cc1505f2510f14bbb7a8b9a4a91fff46c77454f5',
      ),
      'darwin-x64': temporalArchive(
        'darwin_amd64',
        'bbb73e2a31135abe50a1f1cdb35030c42961df618e8ce9c60ae89f201540c5d9',
      ),
      'darwin-arm64': temporalArchive(
        'darwin_arm64',
        'cca01b7ea35ad56e2a328d9ae596bf716bd22313ef63c7a761c88354457c2415',
      ),
    },
  },
  'nats-server': {
    name: 'nats-server',
    version: '2.11.4',
    pathVariable: 'PORTARIUM_NATS_SERVER_BIN',
    versionPattern: /^nats-server: v2\.11\.4$/m,
    goPackage: 'github.com/nats-io/nats-server/v2',
    goModule: 'github.com/nats-io/nats-server/v2',
    buildTakes: 'about 35 seconds on two cores, once',
    releases: {
      'linux-x64': natsArchive(
        'linux-amd64',
        '84192cee46c62760d9c259a97f373b73bccadc41be779c26ef676542ae15daf6',
      ),
      'linux-arm64': natsArchive(
        'linux-arm64',
        '66b1ec828d78c3d24e207ad77239b2208d939c6bebd88fe0656be5eae325442c',
      ),
    },
  },
  'stripe-mock': {
    name: 'stripe-mock',
    version: '0.203.0',
    pathVariable: 'PORTARIUM_STRIPE_MOCK_BIN',
    versionPattern: /^stripe-mock v?0\.203\.0$/m,
    goPackage: 'github.com/stripe/stripe-mock',
    goModule: 'github.com/stripe/stripe-mock',
    goVersionVariable: 'main.version=0.203.0',
    buildTakes: 'about 30 seconds on two cores, once',
    releases: {},
  },
};
