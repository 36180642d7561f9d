/** Variables of tests that change roles and databases of a whole server: they start one of their own. */
export const OWN_SERVERS = { PORTARIUM_TEST_SERVICES: '' };

/** A defence that must be missed when it is gone. */
export interface Defence {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly source: string;
  /** What is left when the defence is taken out. */
  readonly without: string;
  /** A second place that has to go with it: each would make up for the other. */
  readonly also?: Pick<Defence, 'file' | 'source' | 'without'>;
  readonly tests: string;
  /** Part of the names of the tests that watch it. */
  readonly watching: string;
  /** Variables that its tests are run with. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Why its tests can not run on this machine, if so. */
  readonly needs?: () => string | undefined;
}
