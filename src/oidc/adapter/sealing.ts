// How engine state rests: ids as SHA-256, payloads sealed under the server's state key and bound to their row.

import type { AdapterPayload } from 'oidc-provider';
import { createSeal } from '../../platform/secrets/seal.ts';
import { hashToken, keyedHash } from '../../platform/secrets/tokens.ts';

export interface Sealing {
  idHash(id: string): Buffer;
  /** A user code is short enough to be guessed from a plain hash (RFC 8628 §6.1), so it is hashed under the key. */
  userCodeHash(userCode: string): Buffer;
  seal(model: string, idHash: Buffer, payload: AdapterPayload): Buffer;
  /** undefined when the bytes do not open: a foreign or damaged row is treated as absent. */
  open(model: string, idHash: Buffer, sealed: Buffer): AdapterPayload | undefined;
}

export function createSealing(stateKey: Buffer): Sealing {
  const state = createSeal(stateKey);
  const context = (model: string, idHash: Buffer) => `${model}:${idHash.toString('base64url')}`;
  return {
    idHash: hashToken,
    userCodeHash: (userCode) => keyedHash(stateKey, `user_code:${userCode}`),
    seal: (model, idHash, payload) =>
      state.seal(Buffer.from(JSON.stringify(payload)), context(model, idHash)),
    open(model, idHash, sealed) {
      const opened = state.open(sealed, context(model, idHash));
      // What was sealed by this file is an AdapterPayload; nothing else opens under this key and context.
      return opened ? (JSON.parse(opened.toString()) as AdapterPayload) : undefined;
    },
  };
}
