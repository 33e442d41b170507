// A real OpenID provider on this machine, for the tests of signing in: people of a demo, who say their account name.
//
//   node provider.mjs DEMO_DIRECTORY PORTAL_ADDRESS API_JWKS_FILE
//
// Prints its address once it listens. Its certificate is that of the demo's server. The gateway is a client that shows
// who it is by private_key_jwt, with the key set that stands in the file.
import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import Provider from 'oidc-provider';

const [DIR, PORTAL, JWKS] = process.argv.slice(2);
const file = (name) => readFileSync(path.join(DIR, 'pki', 'server', name));
const server = createServer({ cert: file('cert.pem'), key: file('key.pem') });
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `https://localhost:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'buurtpoort', redirect_uris: [`${PORTAL}/inloggen/terug/buurtgezinnen`], response_types: ['code'],
    grant_types: ['authorization_code'], token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256', jwks: JSON.parse(readFileSync(JWKS, 'utf8')),
    id_token_signed_response_alg: 'RS256',
  }],
  claims: { openid: ['sub'], profile: ['preferred_username'] },
  // The account name stands in the id token itself.
  conformIdTokenClaims: false,
  acrValues: ['loa2'],
  pkce: { required: () => true },
  findAccount: (context, id) => ({ accountId: id, claims: async () => ({ sub: id, preferred_username: id }) }),
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ['a key of a test'] },
  async loadExistingGrant(context) {
    const grant = new context.oidc.provider.Grant({ clientId: context.oidc.client.clientId, accountId: context.oidc.session.accountId });
    grant.addOIDCScope('openid profile');
    await grant.save();
    return grant;
  },
});
server.on('request', provider.callback());
console.log(issuer);
