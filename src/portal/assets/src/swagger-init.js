'use strict';

// The API page. The page itself has the main element and the h1, so Swagger UI only draws servers, operations
// and models. It leaves a few controls without a name and a gap in the headings; both are put right here.
(() => {
  const dutch = document.documentElement.lang.startsWith('nl');
  const say = (nl, en) => (dutch ? nl : en);
  const names = [
    ['.servers select', say('Server', 'Server')],
    ['.content-type, .response-control-media-type select', say('Soort inhoud', 'Media type')],
    ['.opblock-body textarea, .body-param__text', say('Inhoud van het verzoek', 'Request body')],
    ['.parameters-col_description select, .parameters-col_description input', say('Waarde', 'Value')],
    ['.examples-select select', say('Voorbeeld', 'Example')],
    ['.download-contents, .copy-to-clipboard button', say('Kopieer', 'Copy')],
    ['table[role="region"]', say('Antwoorden', 'Responses')],
  ];

  const named = (element) =>
    element.hasAttribute('aria-label') ||
    element.hasAttribute('aria-labelledby') ||
    element.title !== '' ||
    (element.tagName === 'INPUT' && [...element.labels].some((label) => label.textContent.trim() !== '')) ||
    (element.tagName === 'BUTTON' && element.textContent.trim() !== '');

  const repair = (root) => {
    for (const [selector, name] of names) {
      for (const element of root.querySelectorAll(selector)) {
        if (!named(element)) {
          const field = element.closest('tr[data-param-name]')?.dataset.paramName;
          const summary = element.closest('.opblock')?.querySelector('.opblock-summary-control');
          const about = [field, summary?.textContent].filter((part) => part !== undefined);
          element.setAttribute('aria-label', [name, ...about].join(' '));
        }
      }
    }
    // Headings start at h3 under the page's h1: close the gap. Those in descriptions join in.
    for (const heading of root.querySelectorAll('h3, h4, h5, h6')) {
      heading.setAttribute('aria-level', String(Number(heading.tagName[1]) - 1));
    }
    for (const heading of root.querySelectorAll(':is(.markdown, .renderedMarkdown) :is(h1, h2, h3, h4, h5, h6)')) {
      heading.setAttribute('aria-level', '3');
    }
    for (const block of root.querySelectorAll('.highlight-code pre, pre.microlight, .json-schema-2020-12-body')) {
      if (block.scrollWidth > block.clientWidth || block.scrollHeight > block.clientHeight) {
        block.tabIndex = 0;
      }
    }
  };

  const page = () => ({
    wrapComponents: {
      BaseLayout: (_, system) => ({ specSelectors }) => {
        const h = system.React.createElement;
        const part = (name, container) => h(system.getComponent(name, container));
        const status = specSelectors.loadingStatus();
        if (status === 'failed' || status === 'failedConfig') {
          return h('p', { role: 'alert' }, say('De beschrijving is nu niet te lezen.', 'The description cannot be read now.'));
        }
        if (status !== 'success') {
          return h('p', { role: 'status' }, say('Even geduld', 'One moment'));
        }
        return h('div', { className: 'swagger-ui' },
          part('SvgAssets'),
          h('div', { className: 'scheme-container' },
            h('div', { className: 'wrapper schemes-server-container' }, part('ServersContainer', true))),
          h('div', { className: 'wrapper' }, part('operations', true)),
          h('div', { className: 'wrapper' }, part('Models', true)));
      },
    },
  });

  window.addEventListener('DOMContentLoaded', () => {
    const root = document.getElementById('swagger-ui');
    let waiting = false;
    new MutationObserver(() => {
      if (!waiting) {
        waiting = true;
        requestAnimationFrame(() => {
          waiting = false;
          repair(root);
        });
      }
    }).observe(root, { childList: true, subtree: true });

    SwaggerUIBundle({
      url: '/v1/openapi.json',
      dom_id: '#swagger-ui',
      validatorUrl: null,
      deepLinking: false,
      // The API is another origin behind client certificates: a request from here could never succeed.
      supportedSubmitMethods: [],
      presets: [SwaggerUIBundle.presets.apis],
      plugins: [page],
      layout: 'BaseLayout',
      onComplete: () => repair(root),
    });
  });
})();
