/** X.509 certificates, as far as somebody has to judge them. */
export interface Certificate {
  /** `CN=…, O=…`: text of whoever made it. */
  readonly subject: string;
  /** Whether it may sign others (basicConstraints CA:TRUE). */
  readonly isAuthority: boolean;
  /** Milliseconds since 1970. */
  readonly endsAtMs: number;
  /** By name and by signature; an authority at the root signed itself. */
  isSignedBy(other: Certificate): boolean;
}

/** @returns undefined when the text is no certificate in PEM */
export type ReadCertificate = (pem: string) => Certificate | undefined;
