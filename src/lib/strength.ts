// How sure a sign-in is: the methods by which a person proved who they are, the strength that they make together, and how
// tokens name both (`acr`, `amr`). Pure.

export const methods = [
  'password',
  'passkey',
  'totp',
  'sms-code',
  'mail-code',
  'recovery-code',
  'remembered-device',
] as const;
export type Method = (typeof methods)[number];

/** One thing that was proved in a sign-in. */
export interface Proof {
  readonly method: Method;
  /** Of a passkey: its authenticator asked for a PIN or a fingerprint, so that it stands for two factors. */
  readonly userVerified?: boolean;
  /** Milliseconds; no later than when the proof was looked at. */
  readonly at: number;
}

/**
 * The values of `acr`, each including those before it: one factor; a second step that is no factor by itself (a code by
 * mail, NIST SP 800-63B §3.1.3.1, or a browser that was remembered); two factors; two factors of which one resists phishing
 * (`phr` of OpenID Connect EAP ACR Values 1.0).
 */
export const strengths = ['1fa', '2sv', 'mfa', 'phr'] as const;
export type Strength = (typeof strengths)[number];

export function isStrength(text: unknown): text is Strength {
  return strengths.some((strength) => strength === text);
}

export function isAtLeast(strength: Strength | undefined, wanted: Strength): boolean {
  return strength !== undefined && strengths.indexOf(strength) >= strengths.indexOf(wanted);
}

export function strongest(wanted: readonly Strength[]): Strength {
  const most = Math.max(0, ...wanted.map((one) => strengths.indexOf(one)));
  return strengths[most] ?? '1fa';
}

/** A mailbox alone sets up no factor: it would make of one factor what counts as two. */
export function isMoreThanMailbox(proofs: readonly Pick<Proof, 'method'>[]): boolean {
  return proofs.some(({ method }) => method === 'password' || method === 'passkey');
}

/** What proves something alone. A passkey that asked nobody for a PIN is only a second factor. */
export function strengthOf(proofs: readonly Pick<Proof, 'method' | 'userVerified'>[]): Strength | undefined {
  const has = (method: Method) => proofs.some((proof) => proof.method === method);
  if (proofs.some((proof) => proof.method === 'passkey' && proof.userVerified)) return 'phr';
  if (has('password')) {
    if (has('passkey')) return 'phr';
    if (has('totp') || has('sms-code') || has('recovery-code')) return 'mfa';
    return has('mail-code') || has('remembered-device') ? '2sv' : '1fa';
  }
  // Whoever reads the mailbox: never more than two steps, whatever is added but a passkey.
  if (!has('mail-code')) return undefined;
  return proofs.length > 1 ? '2sv' : '1fa';
}

// RFC 8176 §2, and three values of our own for what it has no word for.
const AMR: Readonly<Record<Method, string>> = {
  password: 'pwd',
  passkey: 'pop',
  totp: 'otp',
  'sms-code': 'sms',
  'mail-code': 'email',
  'recovery-code': 'recovery',
  'remembered-device': 'device',
};

/** In the order of the methods; `user` for a verified passkey, `mfa` where there were two factors. */
export function amrOf(proofs: readonly Pick<Proof, 'method' | 'userVerified'>[]): string[] {
  const named = methods.filter((method) => proofs.some((proof) => proof.method === method));
  const verified = proofs.some((proof) => proof.userVerified === true);
  const strength = strengthOf(proofs);
  return [
    ...named.map((method) => AMR[method]),
    ...(verified ? ['user'] : []),
    ...(isAtLeast(strength, 'mfa') ? ['mfa'] : []),
  ];
}

/** The proofs that a session remembers in its `amr`. */
export function proofsIn(amr: readonly string[], at: number): Proof[] {
  return methods
    .filter((method) => amr.includes(AMR[method]))
    .map((method) => ({
      method,
      at,
      ...(method === 'passkey' && amr.includes('user') && { userVerified: true }),
    }));
}

/** As tokens tell it. */
export function toldOf(proofs: readonly Proof[]): { amr: string[]; acr?: Strength } {
  const acr = strengthOf(proofs);
  return { amr: amrOf(proofs), ...(acr !== undefined && { acr }) };
}

/** So long after a proof, what is sensitive asks for no new one (OWASP ASVS 7.5.1). */
export const RECENT_SECONDS = 10 * 60;

export function isRecent(at: Date | number, now: Date | number): boolean {
  return Number(now) - Number(at) < RECENT_SECONDS * 1000;
}
