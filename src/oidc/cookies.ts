// The cookies of the protocol pages: which there are, and what keeps each to this origin.

/** RFC 6265bis §4.1.3: __Host- ties a cookie to this origin and path /, __Secure- to https for those with a path of their own. */
export function cookieNames(secure: boolean) {
  return {
    session: secure ? '__Host-session' : 'session',
    interaction: secure ? '__Secure-interaction' : 'interaction',
    resume: secure ? '__Secure-resume' : 'resume',
    /** Sealed: the session ids of the other accounts that are signed in in this browser. */
    accounts: secure ? '__Host-accounts' : 'accounts',
  };
}

export function cookieOptions(secure: boolean) {
  const common = { httpOnly: true, sameSite: 'lax', secure } as const;
  return {
    /** Those that last as long as a session. */
    long: { ...common, signed: true, overwrite: true, path: '/' },
    short: { ...common, signed: true, overwrite: true },
    accounts: { ...common, signed: false, overwrite: true, path: '/' },
  };
}
