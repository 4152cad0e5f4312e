// What the issuer URL says about this site: its origin, the path everything lives under, and whether it is https.

export interface Site {
  /** Without a trailing slash. */
  readonly issuer: string;
  readonly origin: string;
  readonly host: string;
  /** '' or '/auth': what every path of ours starts with. */
  readonly basePath: string;
  readonly secure: boolean;
}

export function siteOf(issuer: string): Site {
  const url = new URL(issuer);
  return {
    issuer: issuer.replace(/\/+$/, ''),
    origin: url.origin,
    host: url.host,
    basePath: url.pathname.replace(/\/+$/, ''),
    secure: url.protocol === 'https:',
  };
}
