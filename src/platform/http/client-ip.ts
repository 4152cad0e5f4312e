// Where a request comes from: the peer, or what the trusted proxies in front of us say it is.
import type { IncomingMessage } from 'node:http';
import { addressRanges, normalizeAddress } from '../../lib/ip.ts';

export type ClientAddress = (req: IncomingMessage) => string | null;

/** With no trusted proxy, X-Forwarded-For is never looked at: anybody can send it. */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  if (trustedProxies.length === 0) return peerAddress;
  const trusted = addressRanges(trustedProxies);
  return (req) => {
    const peer = peerAddress(req);
    const forwarded = req.headers['x-forwarded-for'];
    if (peer === null || forwarded === undefined || !trusted.includes(peer)) return peer;
    return walkBack(String(forwarded).split(','), peer, trusted.includes);
  };
}

/** Right to left: each proxy appended the address it saw, so the first one we do not trust is the client. */
function walkBack(chain: string[], peer: string, isTrusted: (address: string) => boolean): string {
  let last = peer;
  for (const entry of chain.reverse()) {
    const address = normalizeAddress(entry);
    if (address === undefined) return last;
    last = address;
    if (!isTrusted(address)) return last;
  }
  return last;
}

function peerAddress(req: IncomingMessage): string | null {
  const address = req.socket.remoteAddress;
  return address === undefined ? null : (normalizeAddress(address) ?? null);
}
