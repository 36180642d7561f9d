/** Import boundaries: the table in docs/adr/0056. A folder may import what stands in its row. */
const rows = {
  'contracts/': [],
  'control/src/domain/': ['contracts/'],
  'control/src/application/': ['control/src/domain/', 'contracts/', 'sandbox/admission/'],
  'control/src/infrastructure/': [
    'control/src/application/ports/',
    'control/src/domain/',
    'contracts/',
    'migrations/',
  ],
  'control/src/workflows/': ['contracts/'],
  'control/src/console/': ['contracts/', 'client/'],
  'control/src/http/': ['control/src/application/', 'control/src/domain/', 'contracts/'],
  'sandbox/admission/': ['contracts/'],
  'sandbox/src/': ['contracts/', 'sandbox/admission/'],
  'client/': ['contracts/'],
  'cli/': ['client/', 'contracts/', 'sandbox/admission/', 'infra/local/', 'plugins/sdk/'],
  // Where the pinned Deno lies is known once.
  'infra/local/': ['contracts/', 'sandbox/src/replay/deno-binary.ts'],
  'bench/': ['client/', 'contracts/', 'infra/local/', 'plugins/sdk/'],
  'plugins/sdk/': [],
};
const ours = '^(contracts|control|sandbox|client|cli|infra|bench|plugins|scripts)/';
const quote = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

module.exports = {
  forbidden: [
    ...Object.entries(rows).map(([folder, may]) => ({
      name: `boundary ${folder}`,
      severity: 'error',
      from: {
        path: `^${quote(folder)}`,
        pathNot: [
          ...Object.keys(rows)
            .filter((other) => other !== folder && other.startsWith(folder))
            .map((other) => `^${quote(other)}`),
        ],
      },
      to: { path: ours, pathNot: [folder, ...may].map((allowed) => `^${quote(allowed)}`) },
    })),
    {
      name: 'pure folders import no runtime',
      severity: 'error',
      from: {
        path: '^(contracts|sandbox/admission|control/src/domain|control/src/application|control/src/workflows)/',
      },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'drivers only in infrastructure',
      severity: 'error',
      from: { path: '^control/src/(domain|application|http|workflows)/' },
      to: { path: 'node_modules/(postgres|nats|minio|@temporalio/(client|worker))/' },
    },
    {
      name: 'every import resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^bun(:|$)' },
    },
    { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: '(^|/)(build|assembly|testing|fixtures)/|.test.ts$',
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'default', 'types'],
    },
    tsConfig: { fileName: 'tsconfig.json' },
  },
};
