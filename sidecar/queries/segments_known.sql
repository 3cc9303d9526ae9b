SELECT DISTINCT segment FROM segments WHERE segment IN {segments:Array(String)}
