// @ts-check
// Everybody wants a code at once. Codes reach phones, not k6: what is measured is asking for one, and a wrong one refused.
import http from 'k6/http';
import { check } from 'k6';
import { BASE } from './lib/shop.js';

/** @type {import('k6/options').Options} */
export const options = {
  scenarios: { storm: { executor: 'constant-arrival-rate', rate: 100, timeUnit: '1s', duration: '3m', preAllocatedVUs: 300 } },
  thresholds: { checks: ['rate>0.999'], http_req_duration: ['p(99)<200'] },
};

export default function () {
  const phone = `${6 + Math.floor(Math.random() * 4)}${String(Math.floor(Math.random() * 1e9)).padStart(9, '0')}`;
  const headers = { 'Content-Type': 'application/json' };
  const sent = http.post(`${BASE}/api/v1/auth/send-otp`, JSON.stringify({ phone }), { headers });
  check(sent, { 'sent, or asked to wait': (got) => got.status === 200 || got.status === 429 });
  const refused = http.post(`${BASE}/api/v1/auth/verify-otp`, JSON.stringify({ phone, otp: '000000' }), { headers });
  check(refused, { 'a wrong code is refused': (got) => got.status >= 400 && got.status < 500 });
}
