import java.util.Map;

import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.PluginsLoader;

/** How servers of version 8 find their modules. */
final class Plugins {

    static PluginsLoader of(Environment environment) {
        var modules = PluginsLoader.loadModulesBundles(environment.modulesDir());
        var plugins = PluginsLoader.loadPluginsBundles(environment.pluginsDir());
        return PluginsLoader.createPluginsLoader(modules, plugins, Map.of(), false);
    }
}
