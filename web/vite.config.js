// Fixed names and no timestamps: the built files are committed, and the server embeds them as they are.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"],  // they know light-dark()
    outDir: "dist",
    emptyOutDir: true,
    cssCodeSplit: false,
    modulePreload: false,
    assetsInlineLimit: 0,
    sourcemap: false,
    reportCompressedSize: false,
    rollupOptions: {
      output: {
        entryFileNames: "app.js",
        chunkFileNames: "app-[name].js",
        assetFileNames: "app[extname]",
        codeSplitting: false,
      },
    },
  },
});
