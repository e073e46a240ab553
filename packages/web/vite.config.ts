import preact from '@preact/preset-vite'
import { defineConfig, type PreviewServer, type ViteDevServer } from 'vite'

const SERVER = 'http://127.0.0.1:8080'

/** `/viewer/<key>` and `/admin` are pages without their file names in the address, in `vite dev` as in the server. */
const pages = {
  name: 'livekv-pages',
  configureServer(server: ViteDevServer | PreviewServer) {
    server.middlewares.use((request, _response, next) => {
      const page = /^\/(viewer|admin)(?![^/?#])(?!\/[\w-]+\.(?:tsx?|css|html))/.exec(request.url ?? '')
      if (page) request.url = `/${page[1]}/index.html`
      next()
    })
  },
}

// biome-ignore lint/style/noDefaultExport: Vite reads the default export
export default defineConfig({
  root: import.meta.dirname,
  appType: 'mpa',
  plugins: [preact({ prefreshEnabled: true, reactAliasesEnabled: false }), pages],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    rolldownOptions: {
      input: [`${import.meta.dirname}/admin/index.html`, `${import.meta.dirname}/viewer/index.html`],
    },
  },
  server: {
    proxy: {
      '^/(api|keys|add|get)(/|\\?|$)': SERVER,
      '/socket.io': { target: SERVER, ws: true },
    },
  },
})
