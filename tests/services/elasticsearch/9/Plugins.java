import java.util.Map;

import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.PluginsLoader;

/** How servers of version 9 find their modules. */
final class Plugins {

    static PluginsLoader of(Environment environment) {
        var modules = PluginsLoader.loadModulesBundles(environment.modulesDir(), false);
        var plugins = PluginsLoader.loadPluginsBundles(environment.pluginsDir(), false);
        return PluginsLoader.createPluginsLoader(modules, plugins, Map.of(), false);
    }
}
