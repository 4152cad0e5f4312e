// What the TLS of the public address is like: which versions it speaks, and how long its certificate lasts.
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { measured, type Problem } from './problem.ts';

export interface TlsFacts {
  /** The best version it speaks with us: 'TLSv1.3'. */
  readonly protocol: string;
  /** Whether it still speaks TLS 1.0 or 1.1; null when this machine's own TLS cannot ask. */
  readonly acceptsOld: boolean | null;
  readonly validUntil: Date;
  /** Why a client would not trust the certificate; null when it would. */
  readonly untrusted: string | null;
}

const TIMEOUT_MILLISECONDS = 5_000;

export function inspectTls(url: URL): Promise<TlsFacts | Problem> {
  return measured(async () => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const target = { host, port: Number(url.port || 443), servername: host };
    // The certificate is looked at and not relied on: nothing is sent over this connection.
    const socket = await open({ ...target, rejectUnauthorized: false });
    const facts = {
      protocol: socket.getProtocol() ?? 'unknown',
      validUntil: new Date(socket.getPeerCertificate().valid_to),
      untrusted: socket.authorized ? null : String(socket.authorizationError),
    };
    socket.destroy();
    return { ...facts, acceptsOld: await acceptsOld(target) };
  });
}

async function acceptsOld(target: ConnectionOptions): Promise<boolean | null> {
  try {
    const socket = await open({
      ...target,
      rejectUnauthorized: false,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      // Without this OpenSSL refuses to ask at all.
      ciphers: 'DEFAULT:@SECLEVEL=0',
    });
    socket.destroy();
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    // Refused by the other side, and not by our own library before it asked.
    return code === 'ERR_SSL_NO_PROTOCOLS_AVAILABLE' ? null : false;
  }
}

function open(options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect(options, () => resolve(socket));
    socket.once('error', reject);
    socket.setTimeout(TIMEOUT_MILLISECONDS, () => socket.destroy(new Error('it did not answer in time')));
  });
}
