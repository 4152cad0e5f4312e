// One more proof in a session that stands: a factor that was just set up there. It counts as it would have in the sign-in.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Assurance } from '../../assurance/assurance.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Proof } from '../../lib/strength.ts';
import type { BrowserAccounts } from '../browser-accounts.ts';
import { provedBy, withProof } from './under-way.ts';

export interface StrengthenDeps {
  browser: Pick<BrowserAccounts, 'visit' | 'strengthen'>;
  assurance: Pick<Assurance, 'missing' | 'completed'>;
}

export function createStrengthen({ browser, assurance }: StrengthenDeps) {
  return async (
    request: IncomingMessage,
    response: ServerResponse,
    accountId: AccountId,
    proof: Proof,
  ): Promise<void> => {
    const here = await browser.visit(request, response);
    const before = provedBy(here?.session);
    if (here === undefined || before?.accountId !== accountId) return;
    if (proof.method === 'mail-code') {
      // Where a mailbox is all that was ever proved, it is not enough a second time either: the policy says where.
      const missing = await assurance.missing(accountId, before.proofs, {});
      if (missing?.prompt !== 'second_factor' || !missing.methods.includes('mail-code')) return;
    }
    const proofs = withProof(before.proofs, proof);
    await browser.strengthen(request, response, here.session, proofs);
    await assurance.completed(accountId, proofs);
  };
}
