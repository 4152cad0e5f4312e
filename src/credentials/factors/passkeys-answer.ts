// What a browser answers for a passkey, as JSON (WebAuthn §5.1 toJSON): only what is looked at, and not without end.
import { decodeClientDataJSON } from '@simplewebauthn/server/helpers';
import { z } from 'zod';

const bytes = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[A-Za-z0-9_-]+$/);

// 1023 bytes are the most that a credential id has (WebAuthn §4).
const head = { id: bytes(1364), rawId: bytes(1364), type: z.literal('public-key') };

const transports = z.array(z.string().max(20)).max(10);

export const Registration = z.object({
  ...head,
  response: z.object({
    clientDataJSON: bytes(8192),
    attestationObject: bytes(32_768),
    transports: transports.optional().catch(undefined),
  }),
});
export type Registration = z.output<typeof Registration>;

export const Assertion = z.object({
  ...head,
  response: z.object({
    clientDataJSON: bytes(8192),
    authenticatorData: bytes(8192),
    signature: bytes(8192),
    userHandle: bytes(128).nullish(),
  }),
});
export type Assertion = z.output<typeof Assertion>;

/** Our pages stand in no frame: what was answered inside of one was answered for somebody else. */
export function isFramed(clientDataJSON: string): boolean {
  return decodeClientDataJSON(clientDataJSON).crossOrigin === true;
}
